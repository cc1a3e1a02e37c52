// Package schematest draws random values of shapes, for the property tests of the codecs.
package schematest

import (
	"math"
	"reflect"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// Draw sets about a third of the members of v, a struct described by s, and of the structures in it, down to a depth.
// The values are such that every format can represent them: strings are not empty, times have whole milliseconds, and
// lists that are written when they are empty are not nil.
func Draw(t *rapid.T, v reflect.Value, s *schema.Struct, depth int) {
	for i := range s.Fields {
		if depth > 0 && rapid.IntRange(0, 2).Draw(t, "set") == 0 {
			value(t, v.Field(s.Fields[i].Index), s.Fields[i].Type, depth-1)
		} else if fv := v.Field(s.Fields[i].Index); s.Fields[i].WriteEmpty {
			fv.Set(reflect.MakeSlice(fv.Type(), 0, 0))
		}
	}
}

func value(t *rapid.T, v reflect.Value, typ *schema.Type, depth int) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch typ.Kind {
	case schema.String:
		v.SetString(rapid.StringN(1, 20, -1).Draw(t, "string"))
	case schema.Bool:
		v.SetBool(rapid.Bool().Draw(t, "bool"))
	case schema.Integer:
		v.SetInt(rapid.Int64Range(math.MinInt32, math.MaxInt32).Draw(t, "integer"))
	case schema.Float:
		v.SetFloat(float64(rapid.Float32().Draw(t, "float")))
	case schema.Time:
		v.Set(reflect.ValueOf(time.UnixMilli(rapid.Int64Range(-1e12, 1e13).Draw(t, "time")).UTC()))
	case schema.Blob:
		v.SetBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "blob"))
	case schema.Structure:
		Draw(t, v, typ.Struct, depth)
	case schema.Any:
		v.Set(reflect.ValueOf(map[string]any{"a": []any{1.5, "x", true, nil}}))
	default:
		collection(t, v, typ, depth)
	}
}

func collection(t *rapid.T, v reflect.Value, typ *schema.Type, depth int) {
	n := rapid.IntRange(0, 2).Draw(t, "size")
	if typ.Kind == schema.List {
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			value(t, v.Index(i), typ.Elem, depth-1)
		}
		return
	}
	v.Set(reflect.MakeMap(v.Type()))
	for range n {
		elem := reflect.New(v.Type().Elem()).Elem()
		value(t, elem, typ.Elem, depth-1)
		v.SetMapIndex(reflect.ValueOf(rapid.StringN(1, 20, -1).Draw(t, "key")), elem)
	}
}
