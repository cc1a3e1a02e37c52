// Package reshape copies values between the shapes of requests and answers and the nouns, field by
// field. It matches names without regard to case (TaskRoleArn and TaskRoleARN are the same field).
// In returns an error for a field of a request that the noun does not have, so that no field is
// ever ignored.
//
// Scalars of shapes are pointers, nil when absent. Nouns have plain values where absent and zero
// mean the same, and pointers where they do not. Named string and integer types are converted. The
// functions are safe for concurrent use. Slices and maps are copied, so that a noun never shares
// memory with a request.
package reshape

import (
	"fmt"
	"reflect"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// UnknownFieldError says that a request sets a field which the target cannot hold.
type UnknownFieldError struct {
	// Path is the field's place by wire names: "containerDefinitions[0].firelensConfiguration".
	Path string
}

func (e *UnknownFieldError) Error() string { return "no place for the field " + e.Path }

// In copies the shape of a request into a new D. A field that is set in src and missing in D gives
// an *UnknownFieldError, unless it is empty or false: clients send back such values as they
// received them.
func In[D any](src any) (D, error) {
	var dst D
	err := (&copier{strict: true}).copy(reflect.ValueOf(&dst).Elem(), reflect.ValueOf(src), "")
	return dst, err
}

// Out copies a noun into a new shape. Fields that the shape does not have are left out; zero values
// become absent.
func Out[D any](src any) D {
	var dst D
	if err := (&copier{}).copy(reflect.ValueOf(&dst).Elem(), reflect.ValueOf(src), ""); err != nil {
		// Only types that cannot be converted cause an error. That is a bug, which any test of the
		// action finds.
		panic(err)
	}
	return dst
}

type copier struct{ strict bool }

var timeType = reflect.TypeFor[time.Time]()

func (c *copier) copy(dst, src reflect.Value, path string) error {
	for src.Kind() == reflect.Pointer || src.Kind() == reflect.Interface {
		if src.IsNil() {
			return nil
		}
		src = src.Elem()
	}
	if dst.Kind() == reflect.Pointer {
		// An explicit zero behind a pointer of the source must survive; a plain zero of a noun means absent.
		if dst.IsNil() {
			dst.Set(reflect.New(dst.Type().Elem()))
		}
		dst = dst.Elem()
	}
	switch {
	case src.Type() == timeType || src.Kind() == dst.Kind() && src.Type().ConvertibleTo(dst.Type()) &&
		isScalar(src.Kind()):
		dst.Set(src.Convert(dst.Type()))
		return nil
	case isInt(src.Kind()) && isInt(dst.Kind()):
		if dst.OverflowInt(src.Int()) {
			return fmt.Errorf("%s: %d does not fit", path, src.Int())
		}
		dst.SetInt(src.Int())
		return nil
	case src.Kind() == reflect.Struct && dst.Kind() == reflect.Struct:
		return c.copyStruct(dst, src, path)
	case src.Kind() == reflect.Slice && dst.Kind() == reflect.Slice:
		return c.copySlice(dst, src, path)
	case src.Kind() == reflect.Map && dst.Kind() == reflect.Map:
		return c.copyMap(dst, src, path)
	}
	return fmt.Errorf("%s: cannot carry a %s to a %s", path, src.Type(), dst.Type())
}

func (c *copier) copyStruct(dst, src reflect.Value, path string) error {
	places := fieldsOf(dst.Type())
	t := src.Type()
	for i := range t.NumField() {
		f := t.Field(i)
		if !f.IsExported() || src.Field(i).IsZero() {
			continue
		}
		at := join(path, wireName(f))
		n, ok := places[strings.ToLower(f.Name)]
		if !ok {
			if c.strict && !schema.Empty(src.Field(i)) {
				return &UnknownFieldError{Path: at}
			}
			continue
		}
		if err := c.copy(dst.Field(n), src.Field(i), at); err != nil {
			return err
		}
	}
	return nil
}

func (c *copier) copySlice(dst, src reflect.Value, path string) error {
	if src.IsNil() {
		return nil
	}
	out := reflect.MakeSlice(dst.Type(), src.Len(), src.Len())
	for i := range src.Len() {
		if err := c.copy(out.Index(i), src.Index(i), fmt.Sprintf("%s[%d]", path, i)); err != nil {
			return err
		}
	}
	dst.Set(out)
	return nil
}

func (c *copier) copyMap(dst, src reflect.Value, path string) error {
	out := reflect.MakeMapWithSize(dst.Type(), src.Len())
	for it := src.MapRange(); it.Next(); {
		v := reflect.New(dst.Type().Elem()).Elem()
		if err := c.copy(v, it.Value(), path+"."+it.Key().String()); err != nil {
			return err
		}
		out.SetMapIndex(it.Key().Convert(dst.Type().Key()), v)
	}
	dst.Set(out)
	return nil
}

func isScalar(k reflect.Kind) bool {
	return k == reflect.String || k == reflect.Bool || k == reflect.Float64 || isInt(k)
}

func isInt(k reflect.Kind) bool {
	return k == reflect.Int || k == reflect.Int32 || k == reflect.Int64
}

func join(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

func wireName(f reflect.StructField) string {
	if n, _, _ := strings.Cut(f.Tag.Get("json"), ","); n != "" {
		return n
	}
	return f.Name
}

// fieldCache holds, per struct type, the index of each field by its lower-case name. It only grows
// by the program's own types.
var fieldCache sync.Map

func fieldsOf(t reflect.Type) map[string]int {
	if m, ok := fieldCache.Load(t); ok {
		return m.(map[string]int)
	}
	m := make(map[string]int, t.NumField())
	for i := range t.NumField() {
		if t.Field(i).IsExported() {
			m[strings.ToLower(t.Field(i).Name)] = i
		}
	}
	fieldCache.Store(t, m)
	return m
}
