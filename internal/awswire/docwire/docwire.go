// Package docwire decodes documents of maps, lists and scalars into shapes. It has the code that JSON and CBOR share;
// packages jsonwire and cborwire parse the documents.
//
// It reports everything that it cannot decode, because ignoring it would ignore a part of the request. It never
// panics, and its recursion is limited by the shapes and not by the document. It is safe for concurrent use.
package docwire

import (
	"reflect"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// Scalars decodes the scalar values of a format, except bool and string. Each method also reports whether the value
// has the right type.
type Scalars interface {
	Integer(value any, bits int) (int64, bool)
	Float(value any) (float64, bool)
	Time(value any) (time.Time, bool)
	Blob(value any) ([]byte, bool)
	// Document decodes the value of a member that may have any form. It returns false if the format has no such
	// members.
	Document(value any) (any, bool)
}

// Decode reads doc into dst, a settable struct described by s. A document consists of nil, bool, string, []any,
// map[string]any, and values that scalars decodes. enums returns the values of an enum by its name; if it is nil,
// enums are not checked. If Decode returns problems, dst has the members that could be read.
func Decode(
	doc any, dst reflect.Value, s *schema.Struct, enums func(string) []string, scalars Scalars,
) []schema.Problem {
	d := decoder{Scalars: scalars, enums: enums}
	object, ok := doc.(map[string]any)
	if !ok {
		d.wrongType(nil, doc, "Structure")
		return d.problems
	}
	d.structure(object, dst, s, nil)
	return d.problems
}

type decoder struct {
	Scalars
	enums    func(string) []string
	problems []schema.Problem
}

func (d *decoder) structure(object map[string]any, dst reflect.Value, s *schema.Struct, path schema.Path) {
	for _, name := range sortedKeys(object) {
		value := object[name]
		if value == nil || name == "__type" {
			continue // a null member is absent; some serializers add the name of the shape as __type
		}
		f, ok := s.Lookup(schema.JSON, name)
		if !ok {
			d.problems = append(d.problems, schema.Problem{
				Kind: schema.Unknown, Path: path.Member(name), Want: s.Nearest(schema.JSON, name),
			})
			continue
		}
		d.value(value, dst.Field(f.Index), f.Type, path.Member(name))
	}
}

// value reads a value into dst, which has type t or is a pointer to it.
func (d *decoder) value(value any, dst reflect.Value, t *schema.Type, path schema.Path) {
	if dst.Kind() == reflect.Pointer {
		target := reflect.New(dst.Type().Elem())
		before := len(d.problems)
		d.value(value, target.Elem(), t, path)
		if len(d.problems) == before || t.Kind == schema.Structure {
			dst.Set(target)
		}
		return
	}
	switch t.Kind {
	case schema.String:
		d.str(value, dst, t, path)
	case schema.Bool:
		if b, ok := value.(bool); ok {
			dst.SetBool(b)
			return
		}
		d.wrongType(path, value, "Boolean")
	case schema.Integer, schema.Float:
		d.number(value, dst, t, path)
	case schema.Time, schema.Blob, schema.Any:
		d.rareScalar(value, dst, t, path)
	default:
		d.collection(value, dst, t, path)
	}
}

func (d *decoder) str(value any, dst reflect.Value, t *schema.Type, path schema.Path) {
	text, ok := value.(string)
	if !ok {
		d.wrongType(path, value, "String")
		return
	}
	if t.Enum != "" && d.enums != nil {
		if allowed := d.enums(t.Enum); !slices.Contains(allowed, text) {
			d.problems = append(d.problems,
				schema.Problem{Kind: schema.BadEnum, Path: path, Have: text, Allowed: allowed})
			return
		}
	}
	dst.SetString(text)
}

func (d *decoder) collection(value any, dst reflect.Value, t *schema.Type, path schema.Path) {
	switch t.Kind {
	case schema.Structure:
		object, ok := value.(map[string]any)
		if !ok {
			d.wrongType(path, value, "Structure")
			return
		}
		d.structure(object, dst, t.Struct, path)
	case schema.List:
		list, ok := value.([]any)
		if !ok {
			d.wrongType(path, value, "List")
			return
		}
		dst.Set(reflect.MakeSlice(dst.Type(), len(list), len(list)))
		for i, item := range list {
			if item == nil {
				d.wrongType(path.Item(i), item, "value")
				continue
			}
			d.value(item, dst.Index(i), t.Elem, path.Item(i))
		}
	case schema.Map:
		d.mapping(value, dst, t, path)
	}
}

func (d *decoder) mapping(value any, dst reflect.Value, t *schema.Type, path schema.Path) {
	object, ok := value.(map[string]any)
	if !ok {
		d.wrongType(path, value, "Map")
		return
	}
	dst.Set(reflect.MakeMapWithSize(dst.Type(), len(object)))
	for _, key := range sortedKeys(object) {
		item := object[key]
		if item == nil {
			d.wrongType(path.Member(key), item, "value")
			continue
		}
		elem := reflect.New(dst.Type().Elem()).Elem()
		d.value(item, elem, t.Elem, path.Member(key))
		dst.SetMapIndex(reflect.ValueOf(key), elem)
	}
}

func (d *decoder) number(value any, dst reflect.Value, t *schema.Type, path schema.Path) {
	if t.Kind == schema.Float {
		if f, ok := d.Float(value); ok && !dst.OverflowFloat(f) {
			dst.SetFloat(f)
			return
		}
		d.wrongType(path, value, "Double")
		return
	}
	if n, ok := d.Integer(value, t.Bits); ok {
		dst.SetInt(n)
		return
	}
	want := "Integer"
	if t.Bits == 64 {
		want = "Long"
	}
	d.wrongType(path, value, want)
}

func (d *decoder) rareScalar(value any, dst reflect.Value, t *schema.Type, path schema.Path) {
	switch t.Kind {
	case schema.Time:
		if at, ok := d.Time(value); ok {
			dst.Set(reflect.ValueOf(at))
			return
		}
		d.wrongType(path, value, "Timestamp")
	case schema.Blob:
		if b, ok := d.Blob(value); ok {
			dst.SetBytes(b)
			return
		}
		d.wrongType(path, value, "Blob")
	case schema.Any:
		if doc, ok := d.Document(value); ok {
			dst.Set(reflect.ValueOf(doc))
			return
		}
		d.wrongType(path, value, "Document")
	}
}

func (d *decoder) wrongType(path schema.Path, value any, want string) {
	d.problems = append(d.problems, schema.Problem{Kind: schema.WrongType, Path: path, Have: nameOf(value), Want: want})
}

// nameOf returns what AWS calls a value of the wrong type.
func nameOf(value any) string {
	switch v := value.(type) {
	case nil:
		return "NULL_VALUE"
	case bool:
		if v {
			return "TRUE_VALUE"
		}
		return "FALSE_VALUE"
	case string:
		return "STRING_VALUE"
	case []byte:
		return "BYTES_VALUE"
	case time.Time:
		return "TIMESTAMP_VALUE"
	case []any:
		return "START_LIST"
	case map[string]any:
		return "START_OBJECT"
	}
	return "NUMBER_VALUE"
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
