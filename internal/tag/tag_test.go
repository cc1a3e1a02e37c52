package tag

import (
	"encoding/json"
	"errors"
	"reflect"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/fault"
)

func set(pairs ...string) (s Set) {
	for i := 0; i < len(pairs); i += 2 {
		s = append(s, Tag{Key: pairs[i], Value: pairs[i+1]})
	}
	return s
}

// drawn is a set of up to five tags with short keys, so that keys meet.
func drawn(t *rapid.T, label string) Set {
	m := rapid.MapOfN(rapid.StringMatching("[a-d]"), rapid.StringMatching("[xy]?"), 0, 5).Draw(t, label)
	return FromMap(m)
}

// A set behaves as the map of its values does, and old sets are never changed.
func TestSetIsAMap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s, more := drawn(t, "s"), drawn(t, "more")
		before := s.Map()
		want := s.Map()
		for _, m := range more {
			want[m.Key] = m.Value
		}
		with := s.With(more...)
		if !reflect.DeepEqual(with.Map(), want) || len(with) != len(want) {
			t.Fatalf("%v with %v is %v", s, more, with)
		}
		key := rapid.StringMatching("[a-d]").Draw(t, "key")
		delete(want, key)
		if got := with.Without(key).Map(); !reflect.DeepEqual(got, want) {
			t.Fatalf("%v without %s is %v", with, key, got)
		}
		if value, ok := with.Get(key); ok != (with.index(key) >= 0) || value != with.Map()[key] {
			t.Fatalf("%v has %s: %q, %v", with, key, value, ok)
		}
		if !reflect.DeepEqual(s.Map(), before) {
			t.Fatalf("%v became %v", before, s)
		}
	})
}

// Rows hold a list; objects, which some rows held before, are read too.
func TestJSON(t *testing.T) {
	for text, want := range map[string]Set{
		`null`: nil, `{}`: nil, `[]`: {}, ` {"b":"2","a":"1"}`: set("a", "1", "b", "2"),
		`[{"Key":"b","Value":"2"},{"Key":"a","Value":"1","Propagate":true}]`: {{"b", "2", false}, {"a", "1", true}},
	} {
		var got Set
		if err := json.Unmarshal([]byte(text), &got); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", text, got, err, want)
		}
		again, err := json.Marshal(want)
		if err != nil || !strings.Contains(text, "{\"b") && !strings.Contains(text, "{}") && string(again) != text {
			t.Errorf("%s was written as %s, %v", text, again, err)
		}
	}
	var s Set
	if json.Unmarshal([]byte(`{"a":1}`), &s) == nil || json.Unmarshal([]byte(`"a"`), &s) == nil {
		t.Error("no error for what is no set")
	}
}

func TestRules(t *testing.T) {
	rules := Rules{Code: "Invalid", Size: "size of {key}", Reserved: "reserved {key}", Characters: "letters of {key}",
		Duplicate: "twice {key}", DuplicateCode: "Twice", TooMany: fault.New("TooMany", "50")}
	var many []Tag
	for i := range Max {
		many = append(many, Tag{Key: strconv.Itoa(i)})
	}
	for _, c := range []struct {
		tags []Tag
		want string
	}{
		{set("k", "v", "Name", "a b_.:/=+-@é1"), ""},
		{set(strings.Repeat("é", 128), strings.Repeat("é", 256)), ""},
		{set("", "v"), "Invalid: size of "},
		{set(strings.Repeat("k", 129), ""), "Invalid: size of " + strings.Repeat("k", 129)},
		{set("k", strings.Repeat("é", 257)), "Invalid: size of k"},
		{set("Aws:x", ""), "Invalid: reserved Aws:x"},
		{set("aws", ""), ""},
		{set("k", "<"), "Invalid: letters of k"},
		{set("k", "1", "k", "2"), "Twice: twice k"},
		{many, ""},
		{append(many[:Max:Max], Tag{Key: "k"}), "TooMany: 50"},
	} {
		_, err := rules.New(c.tags)
		if text := ""; (err != nil && err.Error() != c.want) || (err == nil && c.want != text) {
			t.Errorf("%.40v: %v, want %s", c.tags, err, c.want)
		}
	}
	// Tags that services have set do not count, and a tag that is replaced counts once.
	old := Set(many).With(Tag{Key: "aws:x"})
	if s, err := rules.Add(old, set("0", "new")); err != nil || len(s) != Max+1 {
		t.Errorf("%d tags, %v", len(s), err)
	}
	if _, err := rules.Add(old, set("k", "")); !errors.Is(err, rules.TooMany) {
		t.Errorf("%v, want %v", err, rules.TooMany)
	}
}

func TestFiltered(t *testing.T) {
	s := set("a", "1", "b", "2")
	for filter, want := range map[string][]string{"tag-key": {"a", "b"}, "tag:b": {"2"}, "tag:c": nil} {
		if got, ok := s.Filtered(filter); !ok || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v, want %v", filter, got, ok, want)
		}
	}
	if _, ok := s.Filtered("instance-id"); ok {
		t.Error("instance-id is no filter about tags")
	}
}

func TestPropagated(t *testing.T) {
	got := Set{{"a", "1", true}, {"b", "2", false}}.Propagated()
	if !reflect.DeepEqual(got, set("a", "1")) {
		t.Errorf("%v", got)
	}
}
