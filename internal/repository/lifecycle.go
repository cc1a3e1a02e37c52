package repository

import (
	"bytes"
	"cmp"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"path"
	"slices"
	"strings"
	"time"
)

// Lifecycle is a repository's lifecycle policy: which images expire.
type Lifecycle struct {
	Rules []LifecycleRule `json:"rules"`
}

const (
	// maxWildcards is how many asterisks a pattern may have: "Lifecycle policy properties in Amazon ECR".
	maxWildcards = 4
	// mostDays is as good as any larger number of days, and dates that far back can be computed.
	mostDays = 1 << 20
)

// LifecycleRule expires images that its selection matches. Rules are applied in the order of their
// priorities, 1 first; an image that one rule's tags match is no concern of later rules.
type LifecycleRule struct {
	RulePriority int    `json:"rulePriority"`
	Description  string `json:"description"`
	Selection    struct {
		TagStatus      string   `json:"tagStatus"` // tagged, untagged, any
		TagPrefixList  []string `json:"tagPrefixList"`
		TagPatternList []string `json:"tagPatternList"` // with * for anything
		CountType      string   `json:"countType"`      // imageCountMoreThan, sinceImagePushed
		CountUnit      string   `json:"countUnit"`      // days, with sinceImagePushed
		CountNumber    int      `json:"countNumber"`
	} `json:"selection"`
	Action struct {
		Type string `json:"type"` // expire
	} `json:"action"`
}

// ParseLifecycle reads a policy; the error says what is wrong with it. Members that are not known are wrong, too.
func ParseLifecycle(text string) (*Lifecycle, error) {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	var l Lifecycle
	if err := d.Decode(&l); err != nil {
		return nil, fmt.Errorf("the policy cannot be read: %v", err)
	}
	if _, err := d.Token(); err != io.EOF {
		return nil, errors.New("the policy cannot be read: something follows its JSON object")
	}
	if len(l.Rules) == 0 || len(l.Rules) > 50 {
		return nil, fmt.Errorf("the policy has %d rules; it must have 1 to 50", len(l.Rules))
	}
	slices.SortStableFunc(l.Rules, func(a, b LifecycleRule) int { return cmp.Compare(a.RulePriority, b.RulePriority) })
	for i := range l.Rules {
		if i > 0 && l.Rules[i].RulePriority == l.Rules[i-1].RulePriority {
			return nil, fmt.Errorf("two rules have the priority %d", l.Rules[i].RulePriority)
		}
		if err := l.Rules[i].check(i == len(l.Rules)-1); err != nil {
			return nil, fmt.Errorf("rule %d: %v", l.Rules[i].RulePriority, err)
		}
	}
	return &l, nil
}

func (r *LifecycleRule) check(last bool) error {
	s := r.Selection
	lists := len(s.TagPrefixList) + len(s.TagPatternList)
	switch {
	case r.RulePriority < 1:
		return fmt.Errorf("the priority must be at least 1")
	case r.Action.Type != "expire":
		return fmt.Errorf("the action %q is not supported; use expire", r.Action.Type)
	case s.TagStatus != "tagged" && s.TagStatus != "untagged" && s.TagStatus != "any":
		return fmt.Errorf("tagStatus %q is not one of tagged, untagged, any", s.TagStatus)
	case s.TagStatus == "any" && !last:
		return fmt.Errorf("a rule with tagStatus any must come last")
	case s.TagStatus == "tagged" && (lists == 0 || len(s.TagPrefixList) > 0 && len(s.TagPatternList) > 0):
		return fmt.Errorf("with tagStatus tagged there must be either tagPrefixList or tagPatternList")
	case s.TagStatus != "tagged" && lists > 0:
		return fmt.Errorf("tagPrefixList and tagPatternList need tagStatus tagged")
	case slices.ContainsFunc(s.TagPatternList, func(p string) bool { return strings.Count(p, "*") > maxWildcards }):
		return fmt.Errorf("a pattern of tagPatternList has more than %d wildcards", maxWildcards)
	case s.CountNumber < 1:
		return fmt.Errorf("countNumber must be at least 1")
	case s.CountType == "sinceImagePushed" && s.CountUnit != "days":
		return fmt.Errorf("with sinceImagePushed countUnit must be days")
	case s.CountType == "imageCountMoreThan" && s.CountUnit != "":
		return fmt.Errorf("imageCountMoreThan has no countUnit")
	case s.CountType != "sinceImagePushed" && s.CountType != "imageCountMoreThan":
		return fmt.Errorf("countType %q is not supported; use imageCountMoreThan or sinceImagePushed", s.CountType)
	}
	return nil
}

// matches reports whether the rule's tags match an image: for every entry of its list the image has a tag.
func (r *LifecycleRule) matches(img *Image) bool {
	every := func(list []string, like func(want, tag string) bool) bool {
		return !slices.ContainsFunc(list, func(want string) bool {
			return !slices.ContainsFunc(img.Tags, func(tag string) bool { return like(want, tag) })
		})
	}
	switch r.Selection.TagStatus {
	case "any":
		return true
	case "untagged":
		return len(img.Tags) == 0
	}
	return len(img.Tags) > 0 &&
		every(r.Selection.TagPrefixList, func(want, tag string) bool { return strings.HasPrefix(tag, want) }) &&
		every(r.Selection.TagPatternList, glob)
}

// glob matches a tag, which has no slashes and none of path.Match's other signs, against a pattern with asterisks.
func glob(pattern, tag string) bool {
	ok, err := path.Match(strings.NewReplacer(`[`, `\[`, `?`, `\?`, `\`, `\\`).Replace(pattern), tag)
	return ok && err == nil
}

// Expired returns the images, of those of one repository, that the policy wants gone. An image that
// an index refers to stays as long as the index.
func (l *Lifecycle) Expired(images []*Image, now time.Time) []*Image {
	left := slices.SortedFunc(slices.Values(images), func(a, b *Image) int {
		return cmp.Or(b.PushedAt.Compare(a.PushedAt), cmp.Compare(a.Digest, b.Digest))
	})
	gone := make(map[*Image]bool)
	for i := range l.Rules {
		r, n := &l.Rules[i], 0
		left = slices.DeleteFunc(left, func(img *Image) bool {
			if !r.matches(img) {
				return false
			}
			n++
			if r.Selection.CountType == "imageCountMoreThan" {
				gone[img] = n > r.Selection.CountNumber
			} else {
				gone[img] = img.PushedAt.Before(now.AddDate(0, 0, -min(r.Selection.CountNumber, mostDays)))
			}
			return true
		})
	}
	keepChildren(images, gone)
	return slices.DeleteFunc(slices.Clone(images), func(img *Image) bool { return !gone[img] })
}

// keepChildren removes from gone the images that a kept image refers to, directly or through other indexes.
func keepChildren(images []*Image, gone map[*Image]bool) {
	byDigest := make(map[string]*Image, len(images))
	for _, img := range images {
		byDigest[img.Digest] = img
	}
	var keep func(*Image)
	keep = func(img *Image) {
		for _, d := range img.Children {
			if child := byDigest[d]; gone[child] {
				delete(gone, child)
				keep(child)
			}
		}
	}
	for _, img := range images {
		if !gone[img] {
			keep(img)
		}
	}
}
