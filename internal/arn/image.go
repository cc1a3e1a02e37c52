package arn

import "regexp"

var image = regexp.MustCompile(`^([0-9]{12})\.dkr\.ecr\.([a-z0-9-]+)\.amazonaws\.com(?:\.cn)?/(.+)$`)

// Image is the name of an image in Amazon ECR: ACCOUNT.dkr.ecr.REGION.amazonaws.com/PATH.
type Image struct {
	Account, Region string
	Path            string // the repository with the tag or digest: "team/chat:1"
}

// ParseImage reads the name of an image; ok is false if the name is not of that form.
func ParseImage(name string) (i Image, ok bool) {
	m := image.FindStringSubmatch(name)
	if m == nil {
		return Image{}, false
	}
	return Image{Account: m[1], Region: m[2], Path: m[3]}, true
}
