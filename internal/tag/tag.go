// Package tag holds the tags of a resource: keys with values. Users put them there, and AWS
// services some of their own. Every service stores tags as a Set and checks new ones by its Rules.
package tag

import (
	"bytes"
	"cmp"
	"encoding/json"
	"slices"
	"strings"
)

// Tag is a key and a value on a resource.
type Tag struct {
	Key, Value string
	// Propagate also puts the tag on what the resource creates: on the instances that an Auto
	// Scaling group launches.
	Propagate bool `json:",omitempty"`
}

// Set is the tags of one resource, in the order in which they were set. No key is in it twice. The
// functions return new sets and never change the old one; nil is a set without tags.
type Set []Tag

// Get returns the value of a key; ok is false when the resource has no such tag.
func (s Set) Get(key string) (value string, ok bool) {
	if i := s.index(key); i >= 0 {
		return s[i].Value, true
	}
	return "", false
}

func (s Set) index(key string) int {
	return slices.IndexFunc(s, func(t Tag) bool { return t.Key == key })
}

// With returns s with the tags added; a tag whose key is in s already replaces that one.
func (s Set) With(more ...Tag) Set {
	out := slices.Clone(s)
	for _, t := range more {
		if i := out.index(t.Key); i >= 0 {
			out[i] = t
		} else {
			out = append(out, t)
		}
	}
	return out
}

// Without returns s without the tags that have one of the keys.
func (s Set) Without(keys ...string) Set {
	return s.Keep(func(t Tag) bool { return !slices.Contains(keys, t.Key) })
}

// Keep returns the tags of s for which fn returns true.
func (s Set) Keep(fn func(Tag) bool) Set {
	return slices.DeleteFunc(slices.Clone(s), func(t Tag) bool { return !fn(t) })
}

// Propagated returns the tags for what the resource creates. They do not propagate further.
func (s Set) Propagated() Set {
	out := s.Keep(func(t Tag) bool { return t.Propagate })
	for i := range out {
		out[i].Propagate = false
	}
	return out
}

// Sorted returns s in the order of the keys.
func (s Set) Sorted() Set {
	return slices.SortedFunc(slices.Values(s), func(a, b Tag) int { return cmp.Compare(a.Key, b.Key) })
}

// Map returns the values by key.
func (s Set) Map() map[string]string {
	out := make(map[string]string, len(s))
	for _, t := range s {
		out[t.Key] = t.Value
	}
	return out
}

// FromMap returns the set with the values by key, in the order of the keys.
func FromMap(m map[string]string) Set {
	var s Set
	for k, v := range m {
		s = append(s, Tag{Key: k, Value: v})
	}
	return s.Sorted()
}

// UnmarshalJSON reads a set as it is stored today, which is a list of tags, and as rows before
// November 2026 stored it, which is an object with the values by key.
func (s *Set) UnmarshalJSON(text []byte) error {
	if bytes.HasPrefix(bytes.TrimSpace(text), []byte("{")) {
		var m map[string]string
		if err := json.Unmarshal(text, &m); err != nil {
			return err
		}
		*s = FromMap(m)
		return nil
	}
	return json.Unmarshal(text, (*[]Tag)(s))
}

// Filtered returns the values that a filter compares: the keys for "tag-key", and the value of k
// for "tag:k" (none when there is no such tag). ok is false for a filter that is not about tags.
func (s Set) Filtered(filter string) (values []string, ok bool) {
	if filter == "tag-key" {
		for _, t := range s {
			values = append(values, t.Key)
		}
		return values, true
	}
	key, ok := strings.CutPrefix(filter, "tag:")
	if value, has := s.Get(key); ok && has {
		values = []string{value}
	}
	return values, ok
}
