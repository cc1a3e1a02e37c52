// Package jsonwire reads and writes shapes as AWS JSON 1.0 and 1.1: member names case-exact, timestamps as seconds since 1970
// with a fraction, blobs in base 64, absent members left out and empty collections kept.
//
// It is strict in what it reads, because what it would pass over in silence is what somebody asked for and would not get.
// Decoding never panics and its recursion is bounded by the shapes, not by the input. Safe for concurrent use.
package jsonwire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"slices"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// Decode reads data into dst, a settable struct described by s. enums gives the values of an enum by name; nil checks none.
// Empty data is an empty object, as AWS has it. When problems are returned, dst holds what could be read.
func Decode(data []byte, dst reflect.Value, s *schema.Struct, enums func(string) []string) []schema.Problem {
	d := decoder{enums: enums}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	doc, err := parse(data)
	if err != nil {
		return []schema.Problem{{Kind: schema.Malformed, Have: err.Error()}}
	}
	object, ok := doc.(map[string]any)
	if !ok {
		d.wrongType(nil, doc, "Structure")
		return d.problems
	}
	d.structure(object, dst, s, nil)
	return d.problems
}

type decoder struct {
	enums    func(string) []string
	problems []schema.Problem
}

func (d *decoder) structure(object map[string]any, dst reflect.Value, s *schema.Struct, path schema.Path) {
	for _, name := range sortedKeys(object) {
		value := object[name]
		if value == nil || name == "__type" {
			continue // null is absent; __type is what some serializers add to name the shape
		}
		f, ok := s.Lookup(schema.JSON, name)
		if !ok {
			d.problems = append(d.problems, schema.Problem{Kind: schema.Unknown, Path: path.Member(name), Want: s.Nearest(schema.JSON, name)})
			continue
		}
		d.value(value, dst.Field(f.Index), f.Type, path.Member(name))
	}
}

// value reads one JSON value into dst, which is a pointer to a scalar or structure, or the thing itself.
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
	case schema.Time:
		d.time(value, dst, path)
	case schema.Blob:
		d.blob(value, dst, path)
	case schema.Any:
		dst.Set(reflect.ValueOf(plain(value)))
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
			d.problems = append(d.problems, schema.Problem{Kind: schema.BadEnum, Path: path, Have: text, Allowed: allowed})
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
	want := map[schema.Kind]string{schema.Integer: "Integer", schema.Float: "Double"}[t.Kind]
	if t.Kind == schema.Integer && t.Bits == 64 {
		want = "Long"
	}
	if t.Kind == schema.Float {
		if f, ok := floatOf(value); ok && !dst.OverflowFloat(f) {
			dst.SetFloat(f)
			return
		}
		d.wrongType(path, value, want)
		return
	}
	number, ok := value.(json.Number)
	if !ok {
		d.wrongType(path, value, want)
		return
	}
	n, err := strconv.ParseInt(number.String(), 10, t.Bits)
	if err != nil { // 1e3 and 5.0 are integers too
		f, ferr := number.Float64()
		if ferr != nil || f != math.Trunc(f) || math.Abs(f) >= 1<<53 || dst.OverflowInt(int64(f)) {
			d.problems = append(d.problems, schema.Problem{Kind: schema.WrongType, Path: path, Have: "NUMBER_VALUE", Want: want})
			return
		}
		n = int64(f)
	}
	dst.SetInt(n)
}

// floatOf takes numbers, and the three words that JSON has no numbers for.
func floatOf(value any) (float64, bool) {
	switch v := value.(type) {
	case json.Number:
		f, err := v.Float64()
		return f, err == nil
	case string:
		switch v {
		case "NaN":
			return math.NaN(), true
		case "Infinity":
			return math.Inf(1), true
		case "-Infinity":
			return math.Inf(-1), true
		}
	}
	return 0, false
}

// maxSeconds is the year 9999, up to which a time.Time can be written as text.
const maxSeconds = 253402300800

// time takes seconds since 1970 with a fraction, and for the sake of hand-written requests RFC 3339.
func (d *decoder) time(value any, dst reflect.Value, path schema.Path) {
	switch v := value.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && math.Abs(f) < maxSeconds {
			dst.Set(reflect.ValueOf(time.UnixMilli(int64(math.Round(f * 1000))).UTC()))
			return
		}
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			dst.Set(reflect.ValueOf(t.UTC()))
			return
		}
	}
	d.wrongType(path, value, "Timestamp")
}

func (d *decoder) blob(value any, dst reflect.Value, path schema.Path) {
	if text, ok := value.(string); ok {
		if b, err := base64.StdEncoding.DecodeString(text); err == nil {
			dst.SetBytes(b)
			return
		}
	}
	d.wrongType(path, value, "Blob")
}

func (d *decoder) wrongType(path schema.Path, value any, want string) {
	d.problems = append(d.problems, schema.Problem{Kind: schema.WrongType, Path: path, Have: nameOf(value), Want: want})
}

// nameOf is what AWS calls a JSON value of the wrong type.
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
	case json.Number:
		return "NUMBER_VALUE"
	case []any:
		return "START_LIST"
	default:
		return "START_OBJECT"
	}
}

// plain turns the numbers of a document into float64, so that a document is the same however it came.
func plain(value any) any {
	switch v := value.(type) {
	case json.Number:
		f, err := v.Float64()
		if err != nil {
			return v.String()
		}
		return f
	case []any:
		for i := range v {
			v[i] = plain(v[i])
		}
	case map[string]any:
		for k := range v {
			v[k] = plain(v[k])
		}
	}
	return value
}

func sortedKeys(m map[string]any) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}
