package ec2

import (
	"strings"
	"testing"
)

func TestMatches(t *testing.T) {
	for _, c := range []struct {
		pattern, have string
		want          bool
	}{
		{"web", "web", true}, {"web", "Web", false}, {"w*", "web/1", true}, {"*", "", true},
		{"w?b", "web", true}, {"w?b", "wb", false}, {`a\*`, "a*", true}, {`a\*`, "ab", false},
		{"[ab]*", "[ab]c", true}, {"[ab]*", "ac", false}, {"", "", true}, {"", "x", false},
	} {
		if got := matches(c.pattern, c.have); got != c.want {
			t.Errorf("%q matches %q: %v", c.pattern, c.have, got)
		}
	}
}

func FuzzMatches(f *testing.F) {
	f.Add("a*", "ab")
	f.Add("[", "[")
	f.Fuzz(func(t *testing.T, pattern, have string) {
		got := matches(pattern, have)
		if !strings.ContainsAny(pattern, `*?\`) && got != (pattern == have) {
			t.Errorf("plain %q against %q: %v", pattern, have, got)
		}
		if !strings.ContainsAny(have, "\x01*?\\") && strings.ToValidUTF8(have, "") == have && !matches(have+"*", have) {
			t.Errorf("%q does not match %q", have+"*", have)
		}
	})
}
