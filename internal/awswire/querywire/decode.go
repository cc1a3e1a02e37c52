package querywire

import (
	"maps"
	"net/url"
	"reflect"
	"slices"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/textwire"
)

// Decode reads form into dst, a settable struct described by s. enums returns the values of an enum by its name; if it
// is nil, enums are not checked. If Decode returns problems, dst has the members that could be read.
func Decode(form url.Values, dst reflect.Value, s *schema.Struct, enums func(string) []string) []schema.Problem {
	root, problems := parse(form)
	d := decoder{enums: enums, problems: problems}
	d.structure(root, dst, s, nil)
	return d.problems
}

type decoder struct {
	enums    func(string) []string
	problems []schema.Problem
}

func (d *decoder) structure(n *node, dst reflect.Value, s *schema.Struct, path schema.Path) {
	for _, name := range slices.Sorted(maps.Keys(n.parts)) {
		f, ok := s.Lookup(schema.Query, name)
		if !ok {
			d.problems = append(d.problems, schema.Problem{
				Kind: schema.Unknown, Path: path.Member(name), Want: s.Nearest(schema.Query, name),
			})
			continue
		}
		d.value(n.parts[name], dst.Field(f.Index), f.Type, f.Query, path.Member(name))
	}
}

// value reads the parameters whose names begin with a member's name into dst, which has type t or is a pointer to it.
func (d *decoder) value(n *node, dst reflect.Value, t *schema.Type, names schema.Names, path schema.Path) {
	if dst.Kind() == reflect.Pointer {
		target := reflect.New(dst.Type().Elem())
		before := len(d.problems)
		d.value(n, target.Elem(), t, names, path)
		if len(d.problems) == before || t.Kind == schema.Structure {
			dst.Set(target)
		}
		return
	}
	switch t.Kind {
	case schema.Structure:
		if n.hasValue && n.value != "" {
			d.wrongType(path, "STRING_VALUE", "Structure")
		}
		d.structure(n, dst, t.Struct, path)
	case schema.List:
		d.list(n, dst, t, names, path)
	case schema.Map:
		d.mapping(n, dst, t, names, path)
	default:
		d.scalar(n, dst, t, path)
	}
}

// list reads the parameters Name.item.1 and so on, or Name.1 and so on if the list is flat. A parameter Name with an
// empty value is an empty list.
func (d *decoder) list(n *node, dst reflect.Value, t *schema.Type, names schema.Names, path schema.Path) {
	if n.hasValue && n.value != "" {
		d.wrongType(path, "STRING_VALUE", "List")
		return
	}
	at := n
	if !names.Flat {
		at = d.inside(n, names.Item, path)
	}
	items, bad := at.items()
	if bad != "" {
		d.problems = append(d.problems, schema.Problem{Kind: schema.Unknown, Path: path.Member(bad)})
	}
	dst.Set(reflect.MakeSlice(dst.Type(), len(items), len(items)))
	for i, item := range items {
		d.value(item.node, dst.Index(i), t.Elem, names, path.Item(item.at-1))
	}
}

// inside returns the node after the word between a list's name and the number. Some lists have a word of their own
// there; "member" is accepted for all.
func (d *decoder) inside(n *node, word string, path schema.Path) *node {
	found := &node{}
	for _, name := range slices.Sorted(maps.Keys(n.parts)) {
		if name == word || name == "member" {
			found = n.parts[name]
			continue
		}
		d.problems = append(d.problems, schema.Problem{Kind: schema.Unknown, Path: path.Member(name), Want: word})
	}
	return found
}

// mapping reads the parameters Name.entry.1.key, Name.entry.1.value and so on.
func (d *decoder) mapping(n *node, dst reflect.Value, t *schema.Type, names schema.Names, path schema.Path) {
	at := n
	if !names.Flat {
		at = d.inside(n, names.Entry, path)
	}
	items, bad := at.items()
	if bad != "" {
		d.problems = append(d.problems, schema.Problem{Kind: schema.Unknown, Path: path.Member(bad)})
	}
	dst.Set(reflect.MakeMapWithSize(dst.Type(), len(items)))
	for _, item := range items {
		entry := path.Item(item.at - 1)
		var key string
		elem := reflect.New(dst.Type().Elem()).Elem()
		for _, name := range slices.Sorted(maps.Keys(item.node.parts)) {
			switch name {
			case names.Key:
				key = item.node.parts[name].value
			case names.Value:
				d.value(item.node.parts[name], elem, t.Elem, names, entry.Member(name))
			default:
				d.problems = append(d.problems,
					schema.Problem{Kind: schema.Unknown, Path: entry.Member(name), Want: names.Key})
			}
		}
		dst.SetMapIndex(reflect.ValueOf(key), elem)
	}
}

func (d *decoder) scalar(n *node, dst reflect.Value, t *schema.Type, path schema.Path) {
	for _, name := range slices.Sorted(maps.Keys(n.parts)) {
		d.problems = append(d.problems, schema.Problem{Kind: schema.Unknown, Path: path.Member(name)})
	}
	if !n.hasValue {
		return
	}
	if p := textwire.Set(dst, t, n.value, d.enums); p != nil {
		p.Path = path
		d.problems = append(d.problems, *p)
	}
}

func (d *decoder) wrongType(path schema.Path, have, want string) {
	d.problems = append(d.problems, schema.Problem{Kind: schema.WrongType, Path: path, Have: have, Want: want})
}
