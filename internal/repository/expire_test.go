package repository

import (
	"cmp"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var noon = time.Date(2026, 2, 1, 12, 0, 0, 0, time.UTC)

// drawImages draws the images of a repository; some are indexes of others, and indexes of indexes.
func drawImages(rt *rapid.T) (all []*Image) {
	for i := range rapid.IntRange(0, 8).Draw(rt, "images") {
		img := &Image{
			Digest: fmt.Sprint("d", i),
			// Several are pushed at the same moment, and some at the very edge of a day.
			PushedAt: noon.Add(-time.Duration(rapid.IntRange(0, 5).Draw(rt, "days")) * 24 * time.Hour).
				Add(-time.Duration(rapid.IntRange(0, 1).Draw(rt, "nanoseconds"))),
			Tags: rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"prod-1", "prod-2", "beta-1", "latest"}), 0, 2,
				rapid.ID[string]).Draw(rt, "tags"),
		}
		if i > 0 && rapid.IntRange(0, 2).Draw(rt, "index") == 0 {
			img.Children = []string{fmt.Sprint("d", rapid.IntRange(0, i-1).Draw(rt, "child")), "elsewhere"}
		}
		all = append(all, img)
	}
	return all
}

// drawRules draws a policy that ParseLifecycle accepts; the last rule may be of any images.
func drawRules(rt *rapid.T) *Lifecycle {
	var l Lifecycle
	n := rapid.IntRange(1, 3).Draw(rt, "rules")
	for i := range n {
		r := LifecycleRule{RulePriority: 10 - i} // in the wrong order, for ParseLifecycle to sort
		r.Action.Type = "expire"
		s := &r.Selection
		s.TagStatus = rapid.SampledFrom([]string{"tagged", "untagged", "any"}).Draw(rt, "status")
		if i > 0 && s.TagStatus == "any" {
			s.TagStatus = "untagged"
		}
		if s.TagStatus == "tagged" {
			patterns := rapid.SampledFrom([][]string{{"prod*"}, {"*-1"}, {"*"}, {"prod*", "*-2"}, {"latest"}}).
				Draw(rt, "patterns")
			if rapid.Bool().Draw(rt, "by prefix") {
				s.TagPrefixList = []string{strings.Trim(patterns[0], "*")}
			} else {
				s.TagPatternList = patterns
			}
		}
		s.CountType, s.CountNumber = "imageCountMoreThan", rapid.IntRange(1, 4).Draw(rt, "number")
		if rapid.Bool().Draw(rt, "by age") {
			s.CountType, s.CountUnit = "sinceImagePushed", "days"
		}
		l.Rules = append(l.Rules, r)
	}
	text, err := json.Marshal(l)
	if err != nil {
		rt.Fatal(err)
	}
	parsed, err := ParseLifecycle(string(text))
	if err != nil {
		rt.Fatalf("%s: %v", text, err)
	}
	return parsed
}

// concerns is what the ECR user guide says of tags: an image has a tag for every entry of the list.
func concerns(r *LifecycleRule, img *Image) bool {
	s := r.Selection
	if s.TagStatus != "tagged" {
		return s.TagStatus == "any" || len(img.Tags) == 0
	}
	for _, want := range append(slices.Clone(s.TagPrefixList), s.TagPatternList...) {
		pattern := want
		if len(s.TagPrefixList) > 0 {
			pattern += "*"
		}
		if !slices.ContainsFunc(img.Tags, func(tag string) bool { return like(pattern, tag) }) {
			return false
		}
	}
	return len(img.Tags) > 0
}

// like tries every way to read a pattern's asterisks.
func like(pattern, tag string) bool {
	switch {
	case pattern == "":
		return tag == ""
	case pattern[0] == '*':
		return like(pattern[1:], tag) || tag != "" && like(pattern, tag[1:])
	}
	return tag != "" && tag[0] == pattern[0] && like(pattern[1:], tag[1:])
}

// expiring looks at one image after another: the first rule that concerns an image decides about it. Then the children
// of every image that stays are taken out.
func expiring(l *Lifecycle, images []*Image) map[string]bool {
	first := func(img *Image) *LifecycleRule {
		for i := range l.Rules {
			if concerns(&l.Rules[i], img) {
				return &l.Rules[i]
			}
		}
		return nil
	}
	gone := map[string]bool{}
	for _, img := range images {
		r := first(img)
		if r == nil {
			continue
		}
		newer := 0
		for _, other := range images {
			order := cmp.Or(other.PushedAt.Compare(img.PushedAt), cmp.Compare(img.Digest, other.Digest))
			if first(other) == r && order > 0 {
				newer++
			}
		}
		gone[img.Digest] = newer >= r.Selection.CountNumber
		if r.Selection.CountType == "sinceImagePushed" {
			gone[img.Digest] = noon.Sub(img.PushedAt) > time.Duration(r.Selection.CountNumber)*24*time.Hour
		}
	}
	for range images { // each round reaches one index further down
		for _, img := range images {
			for _, child := range img.Children {
				gone[child] = gone[child] && gone[img.Digest]
			}
		}
	}
	return gone
}

// For any rules and images, in any order, exactly those images expire that the user guide says, and Expired does not
// change what it is given.
func TestExpiredEqualsAReadingOfTheGuide(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		images, policy := drawImages(rt), drawRules(rt)
		given := slices.Clone(images)
		want := expiring(policy, images)
		for _, order := range [][]*Image{images, rapid.Permutation(images).Draw(rt, "order")} {
			got := policy.Expired(order, noon)
			for _, img := range images {
				if slices.Contains(got, img) != want[img.Digest] {
					rt.Fatalf("%+v\nexpires %+v: %v, want %v", policy, img, !want[img.Digest], want[img.Digest])
				}
			}
		}
		if !slices.Equal(images, given) {
			rt.Fatal("Expired changed the images that it was given")
		}
	})
}

// An image of an index of an index stays as long as the outer one, although the inner one would expire by itself.
func TestIndexesOfIndexes(t *testing.T) {
	image := func(digest string, children ...string) *Image {
		return &Image{Digest: digest, Children: children, PushedAt: noon.AddDate(0, 0, -30)}
	}
	outer, inner, leaf, lone := image("outer", "inner"), image("inner", "leaf"), image("leaf"), image("lone")
	outer.Tags = []string{"v1"}
	l, err := ParseLifecycle(rules(rule(1,
		`"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":7`)))
	if err != nil {
		t.Fatal(err)
	}
	for _, order := range [][]*Image{{outer, inner, leaf, lone}, {lone, leaf, inner, outer}} {
		if got := l.Expired(order, noon); !slices.Equal(got, []*Image{lone}) {
			t.Errorf("%d images expire, want the one outside the indexes", len(got))
		}
	}
}

// A number of days beyond all dates expires nothing.
func TestExpiryAfterAllTime(t *testing.T) {
	images := []*Image{{Digest: "old", PushedAt: time.Unix(0, 0)}, {Digest: "new", PushedAt: noon}}
	for _, days := range []int{365_000, mostDays, math.MaxInt32, math.MaxInt64 - 1, math.MaxInt64} {
		l, err := ParseLifecycle(rules(rule(1, fmt.Sprintf(
			`"tagStatus":"any","countType":"sinceImagePushed","countUnit":"days","countNumber":%d`, days))))
		if err != nil {
			t.Fatal(err)
		}
		if got := l.Expired(images, noon); len(got) != 0 {
			t.Errorf("after %d days %d images are old enough", days, len(got))
		}
	}
}

// glob reads asterisks as anything and every other sign as itself, the signs of path.Match too.
func TestGlob(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		pattern := rapid.StringMatching(`[ab*?\[\]\\^.-]{0,6}`).Draw(rt, "pattern")
		tag := rapid.StringMatching(`[ab?\[\]\\^.-]{0,5}`).Draw(rt, "tag")
		if rapid.Bool().Draw(rt, "alike") {
			tag = strings.ReplaceAll(pattern, "*", rapid.SampledFrom([]string{"", "a", "b-a"}).Draw(rt, "anything"))
			tag = strings.ReplaceAll(tag, "?", rapid.SampledFrom([]string{"?", "a"}).Draw(rt, "a sign"))
		}
		if got, want := glob(pattern, tag), like(pattern, tag); got != want {
			rt.Fatalf("glob(%q, %q) = %v", pattern, tag, got)
		}
	})
}

// "Lifecycle policy properties in Amazon ECR": a pattern may have four wildcards. And a policy is one JSON object.
func TestPoliciesAtTheirLimits(t *testing.T) {
	pattern := func(p string) string {
		return rules(rule(1, `"tagStatus":"tagged","tagPatternList":["x","`+p+`"],`+
			`"countType":"imageCountMoreThan","countNumber":1`))
	}
	numbered := func(n int) string {
		var all []string
		for i := range n {
			all = append(all, rule(i+1, `"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1`))
		}
		return rules(all...)
	}
	for policy, want := range map[string]string{
		pattern("*test*1*2*3"):       "",
		pattern("test*1*2*3*4*5*6"):  "a pattern of tagPatternList has more than 4 wildcards",
		numbered(50):                 "",
		numbered(51):                 "the policy has 51 rules; it must have 1 to 50",
		numbered(1) + " \n":          "",
		numbered(1) + numbered(1):    "something follows its JSON object",
		numbered(1) + "}":            "something follows its JSON object",
		numbered(1) + " // a remark": "something follows its JSON object",
	} {
		if _, err := ParseLifecycle(policy); (err == nil) != (want == "") ||
			err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %q", policy, err, want)
		}
	}
}
