package schema

import (
	"fmt"
	"reflect"
	"strings"
)

// Check returns the required members that a decoded request does not have, and the members that it has although the
// operation refuses them.
func (s *Struct) Check(v reflect.Value, f Format, refused *Refusals) []Problem {
	c := checker{format: f}
	c.structure(v, s, nil, refused)
	return c.problems
}

type checker struct {
	format   Format
	problems []Problem
}

func (c *checker) structure(v reflect.Value, s *Struct, path Path, refused *Refusals) {
	set := 0
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		name := f.WireName(c.format)
		if name == "" {
			continue
		}
		if fv.IsZero() {
			if f.Required {
				c.problems = append(c.problems, Problem{Kind: Missing, Path: path.Member(name)})
			}
			continue
		}
		set++
		sub := refused.member(f.Index)
		if sub.refuses() && !Empty(fv) {
			c.problems = append(c.problems, Problem{Kind: Refused, Path: path.Member(name)})
			continue
		}
		c.value(fv, f.Type, path.Member(name), sub)
	}
	if s.Union && set != 1 {
		c.problems = append(c.problems, Problem{Kind: NotUnion, Path: path})
	}
}

func (c *checker) value(v reflect.Value, t *Type, path Path, refused *Refusals) {
	switch t.Kind {
	case Structure:
		if v.Kind() == reflect.Pointer {
			v = v.Elem()
		}
		c.structure(v, t.Struct, path, refused)
	case List:
		if !t.Elem.hasStructs() {
			return
		}
		for i := range v.Len() {
			c.value(v.Index(i), t.Elem, path.Item(i), refused)
		}
	case Map:
		if !t.Elem.hasStructs() {
			return
		}
		for it := v.MapRange(); it.Next(); {
			c.value(it.Value(), t.Elem, path.Member(it.Key().String()), refused)
		}
	}
}

func (t *Type) hasStructs() bool {
	for t.Kind == List || t.Kind == Map {
		t = t.Elem
	}
	return t.Kind == Structure
}

// Empty reports whether the value of a member is the same as leaving the member out: it is false, "", 0, a collection
// without elements, or a structure with only such members ({"enabled": false}). Clients send such values as defaults,
// so they are not refused.
func Empty(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || Empty(v.Elem())
	case reflect.Slice, reflect.Map:
		return v.Len() == 0
	case reflect.Struct:
		for _, f := range v.Fields() {
			if !Empty(f) {
				return false
			}
		}
		return true
	}
	return v.IsZero()
}

// Refusals is the set of members that an operation does not implement. nil refuses nothing.
type Refusals struct {
	all     bool
	members map[int]*Refusals // by the index of the field
}

func (r *Refusals) refuses() bool { return r != nil && r.all }

func (r *Refusals) member(index int) *Refusals {
	if r == nil {
		return nil
	}
	return r.members[index]
}

// Refuse returns the set of members with the given paths, written with the names of a format: "a", "a.b",
// "list[].member", "map{}.member". A path that leads to no member of s is an error, because a misspelt path would have
// no effect.
func (s *Struct) Refuse(f Format, paths ...string) (*Refusals, error) {
	if len(paths) == 0 {
		return nil, nil
	}
	root := &Refusals{members: map[int]*Refusals{}}
	for _, p := range paths {
		at, in := root, s
		for part := range strings.SplitSeq(p, ".") {
			name := strings.TrimSuffix(strings.TrimSuffix(part, "[]"), "{}")
			if in == nil {
				return nil, fmt.Errorf("refused member %q: nothing has a member %q", p, name)
			}
			field, ok := in.Lookup(f, name)
			if !ok {
				return nil, fmt.Errorf("refused member %q: %s has no member %q", p, in.Name, name)
			}
			if at.members[field.Index] == nil {
				at.members[field.Index] = &Refusals{members: map[int]*Refusals{}}
			}
			at, in = at.members[field.Index], field.Type.structure()
		}
		at.all = true
	}
	return root, nil
}

// structure returns the structure that t is, or that the elements of the list or map t are; nil if there is none.
func (t *Type) structure() *Struct {
	for t.Kind == List || t.Kind == Map {
		t = t.Elem
	}
	return t.Struct
}
