package xmlwire

import (
	"bytes"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/textwire"
)

// maxDepth is how deeply elements may be nested. The deepest shapes need about fifteen levels.
const maxDepth = 50

// Decode reads the elements in a document's root element into the members of dst, a settable struct described by s.
// enums returns the values of an enum by its name; if it is nil, enums are not checked. Namespaces and attributes are
// ignored. Empty data is an empty structure. Decode never panics, and its recursion is limited by the shapes and by
// maxDepth. If it returns problems, dst has the members that could be read.
func Decode(data []byte, dst reflect.Value, s *schema.Struct, enums func(string) []string) []schema.Problem {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	root, err := parse(data)
	if err != nil {
		return []schema.Problem{{Kind: schema.Malformed, Have: err.Error()}}
	}
	d := decoder{enums: enums}
	d.structure(root, dst, s, nil)
	return d.problems
}

// node is an element with its text and the elements in it.
type node struct {
	name     string
	text     strings.Builder
	children []*node
}

// parse returns the root element of a document.
func parse(data []byte) (*node, error) {
	d := xml.NewDecoder(bytes.NewReader(data))
	document := &node{}
	open := []*node{document}
	for {
		token, err := d.Token()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, err
		}
		in := open[len(open)-1]
		switch token := token.(type) {
		case xml.StartElement:
			if len(open) > maxDepth {
				return nil, fmt.Errorf("nested deeper than %d levels at byte %d", maxDepth, d.InputOffset())
			}
			e := &node{name: token.Name.Local}
			in.children = append(in.children, e)
			open = append(open, e)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			in.text.Write(token)
		case xml.Directive:
			return nil, fmt.Errorf("a document type at byte %d; requests must not have one", d.InputOffset())
		}
	}
	if len(document.children) != 1 || strings.TrimSpace(document.text.String()) != "" {
		return nil, errors.New("a document must have one root element and no text beside it")
	}
	return document.children[0], nil
}

type decoder struct {
	enums    func(string) []string
	problems []schema.Problem
}

func (d *decoder) problem(p schema.Problem, path schema.Path) {
	p.Path = path
	d.problems = append(d.problems, p)
}

// mixed adds a problem if there is text in an element that may only have elements.
func (d *decoder) mixed(e *node, want string, path schema.Path) {
	if text := strings.TrimSpace(e.text.String()); text != "" {
		d.problem(schema.Problem{Kind: schema.WrongType, Have: text, Want: want}, path)
	}
}

func (d *decoder) structure(e *node, dst reflect.Value, s *schema.Struct, path schema.Path) {
	d.mixed(e, "Structure", path)
	seen := map[string]bool{}
	for _, child := range e.children {
		at := path.Member(child.name)
		f, ok := s.Lookup(schema.XML, child.name)
		switch {
		case !ok:
			d.problem(schema.Problem{Kind: schema.Unknown, Want: s.Nearest(schema.XML, child.name)}, at)
		case f.XML.Flat:
			d.item(child, dst.Field(f.Index), f.Type, f.XML, path.Member(child.name))
		case seen[child.name]:
			d.problem(schema.Problem{Kind: schema.Malformed,
				Have: "the element '" + child.name + "' is given twice"}, at)
		default:
			d.value(child, dst.Field(f.Index), f.Type, f.XML, at)
		}
		seen[child.name] = true
	}
}

// value reads an element into dst, which has type t or is a pointer to it.
func (d *decoder) value(e *node, dst reflect.Value, t *schema.Type, names schema.Names, path schema.Path) {
	if dst.Kind() == reflect.Pointer {
		target := reflect.New(dst.Type().Elem())
		before := len(d.problems)
		d.value(e, target.Elem(), t, names, path)
		if len(d.problems) == before || t.Kind == schema.Structure {
			dst.Set(target)
		}
		return
	}
	switch t.Kind {
	case schema.Structure:
		d.structure(e, dst, t.Struct, path)
	case schema.List:
		d.mixed(e, "List", path)
		dst.Set(reflect.MakeSlice(dst.Type(), 0, len(e.children)))
		d.inside(e, names.Item, path, func(child *node) { d.item(child, dst, t, names, path) })
	case schema.Map:
		d.mixed(e, "Map", path)
		dst.Set(reflect.MakeMapWithSize(dst.Type(), len(e.children)))
		d.inside(e, names.Entry, path, func(child *node) { d.entry(child, dst, t, names, path) })
	default:
		d.inside(e, "", path, nil)
		if p := textwire.Set(dst, t, e.text.String(), d.enums); p != nil {
			d.problem(*p, path)
		}
	}
}

// inside calls read for each element in e that has the name, and adds a problem for each other one.
func (d *decoder) inside(e *node, name string, path schema.Path, read func(*node)) {
	for _, child := range e.children {
		if child.name != name || read == nil {
			d.problem(schema.Problem{Kind: schema.Unknown, Want: name}, path.Member(child.name))
			continue
		}
		read(child)
	}
}

// item adds an element to dst, which is a list or a flat map.
func (d *decoder) item(e *node, dst reflect.Value, t *schema.Type, names schema.Names, path schema.Path) {
	if t.Kind == schema.Map {
		if dst.IsNil() {
			dst.Set(reflect.MakeMap(dst.Type()))
		}
		d.entry(e, dst, t, names, path)
		return
	}
	item := reflect.New(dst.Type().Elem()).Elem()
	d.value(e, item, t.Elem, schema.Names{}, path.Item(dst.Len()))
	dst.Set(reflect.Append(dst, item))
}

func (d *decoder) entry(e *node, dst reflect.Value, t *schema.Type, names schema.Names, path schema.Path) {
	at := path.Item(dst.Len())
	d.mixed(e, "Map", at)
	var key string
	elem := reflect.New(dst.Type().Elem()).Elem()
	for _, child := range e.children {
		switch child.name {
		case names.Key:
			key = child.text.String()
		case names.Value:
			d.value(child, elem, t.Elem, schema.Names{}, at.Member(child.name))
		default:
			d.problem(schema.Problem{Kind: schema.Unknown, Want: names.Key}, at.Member(child.name))
		}
	}
	dst.SetMapIndex(reflect.ValueOf(key), elem)
}
