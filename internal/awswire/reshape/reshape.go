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
	err := (&copier{strict: true}).copy(reflect.ValueOf(&dst).Elem(), reflect.ValueOf(src))
	return dst, err
}

// Out copies a noun into a new shape. Fields that the shape does not have are left out; zero values
// become absent.
func Out[D any](src any) D {
	var dst D
	if err := (&copier{}).copy(reflect.ValueOf(&dst).Elem(), reflect.ValueOf(src)); err != nil {
		// Only types that cannot be converted cause an error. That is a bug, which any test of the
		// action finds.
		panic(err)
	}
	return dst
}

// badValueError says that a value cannot be copied.
type badValueError struct{ path, what string }

func (e *badValueError) Error() string { return e.path + ": " + e.what }

// within adds the name of the field, or the place in the list, that an error of copy is about. The path is made
// only when there is an error, so that copying does not pay for it.
func within(name string, err error) error {
	switch e := err.(type) {
	case *UnknownFieldError:
		e.Path = join(name, e.Path)
	case *badValueError:
		e.path = join(name, e.path)
	}
	return err
}

// join returns the path of something inside of something else.
func join(outer, inner string) string {
	if outer == "" || inner == "" || inner[0] == '[' {
		return outer + inner
	}
	return outer + "." + inner
}

type copier struct{ strict bool }

var timeType = reflect.TypeFor[time.Time]()

func (c *copier) copy(dst, src reflect.Value) error {
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
	case src.Type() == timeType && dst.Type() == timeType:
		dst.Set(src)
		return nil
	case src.Kind() == dst.Kind() && isScalar(src.Kind()):
		copyScalar(dst, src)
		return nil
	case isInt(src.Kind()) && isInt(dst.Kind()):
		if dst.OverflowInt(src.Int()) {
			return &badValueError{what: fmt.Sprintf("%d does not fit", src.Int())}
		}
		dst.SetInt(src.Int())
		return nil
	case src.Kind() == reflect.Struct && dst.Kind() == reflect.Struct:
		return c.copyStruct(dst, src)
	case src.Kind() == reflect.Slice && dst.Kind() == reflect.Slice:
		return c.copySlice(dst, src)
	case src.Kind() == reflect.Map && dst.Kind() == reflect.Map:
		return c.copyMap(dst, src)
	}
	return &badValueError{what: fmt.Sprintf("cannot carry a %s to a %s", src.Type(), dst.Type())}
}

// copyScalar copies between types of the same kind, which may have different names.
func copyScalar(dst, src reflect.Value) {
	switch src.Kind() {
	case reflect.String:
		dst.SetString(src.String())
	case reflect.Bool:
		dst.SetBool(src.Bool())
	case reflect.Float64:
		dst.SetFloat(src.Float())
	default:
		dst.SetInt(src.Int())
	}
}

func (c *copier) copyStruct(dst, src reflect.Value) error {
	for _, f := range pairsOf(dst.Type(), src.Type()) {
		from := src.Field(f.from)
		if from.IsZero() {
			continue
		}
		if f.to == nowhere {
			if c.strict && !schema.Empty(from) {
				return &UnknownFieldError{Path: f.name}
			}
			continue
		}
		if err := c.copy(dst.Field(f.to), from); err != nil {
			return within(f.name, err)
		}
	}
	return nil
}

func (c *copier) copySlice(dst, src reflect.Value) error {
	if src.IsNil() {
		return nil
	}
	out := reflect.MakeSlice(dst.Type(), src.Len(), src.Len())
	for i := range src.Len() {
		if err := c.copy(out.Index(i), src.Index(i)); err != nil {
			return within(fmt.Sprintf("[%d]", i), err)
		}
	}
	dst.Set(out)
	return nil
}

func (c *copier) copyMap(dst, src reflect.Value) error {
	out := reflect.MakeMapWithSize(dst.Type(), src.Len())
	for it := src.MapRange(); it.Next(); {
		v := reflect.New(dst.Type().Elem()).Elem()
		if err := c.copy(v, it.Value()); err != nil {
			return within(it.Key().String(), err)
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

func wireName(f reflect.StructField) string {
	if n, _, _ := strings.Cut(f.Tag.Get("json"), ","); n != "" {
		return n
	}
	return f.Name
}

// pair is an exported field of a source and the field of the same name of the target.
type pair struct {
	from, to int // indexes; to may be nowhere
	name     string
}

// nowhere is the index of a field that the target does not have.
const nowhere = -1

// pairs holds the pairs of two struct types. It only grows by the program's own types.
var pairs sync.Map

type types struct{ dst, src reflect.Type }

func pairsOf(dst, src reflect.Type) []pair {
	if found, ok := pairs.Load(types{dst, src}); ok {
		return found.([]pair)
	}
	to := make(map[string]int, dst.NumField())
	for i := range dst.NumField() {
		if dst.Field(i).IsExported() {
			to[strings.ToLower(dst.Field(i).Name)] = i
		}
	}
	var made []pair
	for i := range src.NumField() {
		f := src.Field(i)
		if !f.IsExported() {
			continue
		}
		p := pair{i, nowhere, wireName(f)}
		if at, ok := to[strings.ToLower(f.Name)]; ok {
			p.to = at
		}
		made = append(made, p)
	}
	pairs.Store(types{dst, src}, made)
	return made
}
