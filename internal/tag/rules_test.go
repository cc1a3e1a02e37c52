package tag

import (
	"encoding/json"
	"errors"
	"reflect"
	"slices"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/fault"
)

// anyTag draws tags at and beyond the limits of ecs.md 1.1.5: 128 characters of a key, 256 of a value, no aws: before.
func anyTag(t *rapid.T) Tag {
	short := rapid.StringMatching(`[ab]`) // so that some are given twice
	key := rapid.OneOf(short, rapid.StringMatching(`[a-c]{1,2}`), rapid.SampledFrom([]string{
		"", "aws:x", "AWS:", "aws", "é:/=+-@._ 1", "<", strings.Repeat("é", 128), strings.Repeat("k", 129)}))
	value := rapid.SampledFrom([]string{
		"", "v", "w", "x", "y", "z", "a\nb", strings.Repeat("é", 256), strings.Repeat("é", 257)})
	return Tag{Key: key.Draw(t, "key"), Value: value.Draw(t, "value"), Propagate: rapid.Bool().Draw(t, "propagate")}
}

// Add adds all of the new tags or none, by the rules of its service (ecs.md 1.1.5).
func TestAddIsAllOrNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Rules{Code: "Wrong", Size: "{key} {value}", TooMany: fault.New("TooMany", "too many")}
		if rapid.Bool().Draw(t, "characters") {
			r.Characters = "characters"
		}
		if rapid.Bool().Draw(t, "duplicates") {
			r.Duplicate = "duplicate"
		}
		old := drawn(t, "old")
		before := slices.Clone(old)
		more := rapid.SliceOfN(rapid.Custom(anyTag), 0, 4).Draw(t, "more")
		wrong, seen := false, map[string]bool{}
		for _, m := range more {
			wrong = wrong || m.Key == "" || utf8.RuneCountInString(m.Key) > 128 ||
				utf8.RuneCountInString(m.Value) > 256 || strings.HasPrefix(strings.ToLower(m.Key), "aws:") ||
				r.Characters != "" && strings.ContainsAny(m.Key+m.Value, "<\n") || r.Duplicate != "" && seen[m.Key]
			seen[m.Key] = true
		}
		got, err := r.Add(old, more)
		if wrong != (err != nil) || err != nil && (got != nil || !errors.Is(err, fault.New("Wrong", ""))) {
			t.Fatalf("%v and %v: %v, %v, want an error: %v", old, more, got, err, wrong)
		}
		if err == nil && !reflect.DeepEqual(got.Map(), old.With(more...).Map()) {
			t.Fatalf("%v and %v are %v", old, more, got)
		}
		if !slices.Equal(old, before) {
			t.Fatalf("%v became %v", before, old)
		}
	})
}

// A set that is stored as JSON is read again in its order; the older form, an object, has the same tags.
func TestStoredAndRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := Set{}.With(rapid.SliceOfN(rapid.Custom(anyTag), 0, 5).Draw(t, "tags")...)
		var again, older Set
		list, err1 := json.Marshal(s)
		object, err2 := json.Marshal(s.Map())
		err := errors.Join(err1, err2, json.Unmarshal(list, &again), json.Unmarshal(object, &older))
		if err != nil || !slices.Equal(again, s) || !reflect.DeepEqual(older.Map(), s.Map()) {
			t.Fatalf("%v is read as %v and %v, %v", s, again, older, err)
		}
		if sorted := s.Sorted(); !slices.EqualFunc(sorted, older, func(a, b Tag) bool { return a.Key == b.Key }) {
			t.Fatalf("%v in the order of the keys is %v", s, sorted)
		}
	})
}
