package awswire

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"iter"

	"github.com/berthhq/berth/internal/fault"
)

// pages is what a Call needs to make and read page tokens. The zero value works, for tests that
// make a Call themselves; anyone can forge its tokens.
type pages struct {
	key        []byte
	code, name string
}

// Page is a place in a list sorted by a key: after the item with the key After, or at the
// beginning.
type Page struct {
	After string // "" means the beginning
	// Descending says that the list is sorted from the highest key to the lowest.
	Descending bool

	call  *Call
	bound []string
}

// tokenCodeSize is the length of the code that authenticates a token, in bytes.
const tokenCodeSize = 16

// Page reads a page token; nil or "" is the beginning. filter is everything that decides what is
// listed (the cluster, the status, …). A token is valid only for the action, account, region and
// filter for which it was made; any other is refused with the service's error.
func (c *Call) Page(token *string, filter ...string) (Page, error) {
	p := Page{call: c, bound: filter}
	if token == nil || *token == "" {
		return p, nil
	}
	raw, err := base64.URLEncoding.DecodeString(*token)
	if err == nil && len(raw) > tokenCodeSize {
		code, after := raw[:tokenCodeSize], string(raw[tokenCodeSize:])
		if hmac.Equal(code, p.code(after)) {
			p.After = after
			return p, nil
		}
	}
	return Page{}, fault.New(cmp.Or(c.pages.code, "InvalidParameterException"),
		"The %s is invalid. Use the value that the previous page of the same listing returned, unchanged "+
			"and with the same filters.",
		cmp.Or(c.pages.name, "nextToken"))
}

// Token returns the token of the page that begins after the item with the key last, which must not
// be "".
func (p Page) Token(last string) *string {
	return new(base64.URLEncoding.EncodeToString(append(p.code(last), last...)))
}

// code returns the authentication code of a place in the list.
func (p Page) code(after string) []byte {
	mac := hmac.New(sha256.New, p.call.pages.key)
	parts := append([]string{p.call.Account, p.call.Region, p.call.Service, p.call.Action, after}, p.bound...)
	for _, part := range parts {
		fmt.Fprintf(mac, "%d:%s", len(part), part)
	}
	return mac.Sum(nil)[:tokenCodeSize]
}

// passed reports whether a key is on a page before p.
func (p Page) passed(key string) bool {
	if p.Descending {
		return key >= p.After
	}
	return key <= p.After
}

// Cut returns page p, of at most limit items, from a list sorted by key. next is the token of the
// following page; nil if there is none. Cut reads only one item of the list beyond the page.
func Cut[T any](p Page, limit int, list iter.Seq[T], key func(T) string) (page []T, next *string) {
	limit = max(limit, 1)
	page = []T{}
	for item := range list {
		if p.After != "" && p.passed(key(item)) {
			continue
		}
		if len(page) == limit {
			return page, p.Token(key(page[len(page)-1]))
		}
		page = append(page, item)
	}
	return page, nil
}
