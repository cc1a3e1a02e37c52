package reshape

import (
	"fmt"
	"reflect"
)

// Zeros returns the fields of a request's shape that are explicitly zero: false, 0, "", or an empty
// collection. Nouns do not distinguish that from an absent field. To return exactly what a caller
// sent, store the list beside the noun and pass it to Restore. Paths are those of
// [UnknownFieldError].
func Zeros(src any) []string {
	var paths []string
	walk(reflect.ValueOf(src), "", func(path string, f reflect.Value) {
		if !f.IsNil() && (f.Kind() == reflect.Pointer && f.Elem().IsZero() ||
			f.Kind() != reflect.Pointer && f.Len() == 0) {
			paths = append(paths, path)
		}
	})
	return paths
}

// Restore sets the absent fields of a shape that zeros names. dst is a pointer to a struct.
func Restore(dst any, zeros []string) {
	if len(zeros) == 0 {
		return
	}
	named := make(map[string]bool, len(zeros))
	for _, p := range zeros {
		named[p] = true
	}
	walk(reflect.ValueOf(dst), "", func(path string, f reflect.Value) {
		switch {
		case !named[path] || !f.IsNil():
		case f.Kind() == reflect.Pointer:
			f.Set(reflect.New(f.Type().Elem()))
		case f.Kind() == reflect.Slice:
			f.Set(reflect.MakeSlice(f.Type(), 0, 0))
		default:
			f.Set(reflect.MakeMap(f.Type()))
		}
	})
}

// walk visits every field of a shape that can be absent: pointers to scalars, lists and maps.
func walk(v reflect.Value, path string, visit func(path string, f reflect.Value)) {
	switch v.Kind() {
	case reflect.Pointer:
		walk(v.Elem(), path, visit)
	case reflect.Slice:
		for i := range v.Len() {
			walk(v.Index(i), fmt.Sprintf("%s[%d]", path, i), visit)
		}
	case reflect.Struct:
		if v.Type() == timeType {
			return
		}
		for t, f := range v.Fields() {
			at := join(path, wireName(t))
			if k := f.Kind(); k == reflect.Slice || k == reflect.Map ||
				k == reflect.Pointer && isScalar(f.Type().Elem().Kind()) {
				visit(at, f)
			}
			walk(f, at, visit)
		}
	}
}
