package ecs

import "github.com/berthhq/berth/internal/action/request"

// pages are those of most lists, shortPages those of services and settings, providerPages those of capacity providers
// (ecs.md 1.1.6).
var pages, shortPages, providerPages = pagesOf(100, 100), pagesOf(10, 100), pagesOf(10, 10)

func pagesOf(size, most int32) request.Pages {
	return request.Pages{Default: size, Least: 1, Most: most, Refuse: func(size, least, most int32) error {
		return invalid("maxResults must be between %d and %d, not %d.", least, most, size)
	}}
}

// batch refuses a list of things that is empty or too long for one call (ecs.md 1.1.7).
func batch(what string, n, most int) error {
	switch {
	case n == 0:
		return invalid("%s cannot be empty.", what)
	case n > most:
		return invalid("%s cannot have more than %d elements.", what, most)
	}
	return nil
}
