// Package cborwire decodes and encodes shapes as CBOR in the form of AWS's RPC v2 protocol. Structures and maps have
// the member names of JSON, timestamps are seconds since 1970 with tag 1, and blobs are byte strings. Members that are
// nil are left out, and empty collections are written.
//
// Package docwire does most of the decoding, and decides what is a problem. In addition, a map with a repeated key is
// refused, and so is a document that is nested more deeply than any shape. It is safe for concurrent use.
package cborwire

import (
	"errors"
	"math"
	"reflect"
	"strings"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/berthhq/berth/internal/awswire/docwire"
	"github.com/berthhq/berth/internal/awswire/schema"
)

// maxDepth is how deeply a document may be nested. The deepest shapes need about fifteen levels.
const maxDepth = 64

var (
	reading = must(cbor.DecOptions{
		DupMapKey: cbor.DupMapKeyEnforcedAPF, MaxNestedLevels: maxDepth,
		DefaultMapType: reflect.TypeFor[map[string]any](), IntDec: cbor.IntDecConvertSignedOrFail,
	}.DecMode())
	writing = must(cbor.EncOptions{
		Sort: cbor.SortBytewiseLexical, InfConvert: cbor.InfConvertNone, NaNConvert: cbor.NaNConvertNone,
	}.EncMode())
)

func must[T any](mode T, err error) T {
	if err != nil {
		panic(err) // a mistake in the options above
	}
	return mode
}

// Decode reads data into dst, a settable struct described by s. enums returns the values of an enum by its name; if it
// is nil, enums are not checked. Empty data is an empty map, as for AWS. If Decode returns problems, dst has the
// members that could be read.
func Decode(data []byte, dst reflect.Value, s *schema.Struct, enums func(string) []string) []schema.Problem {
	if len(data) == 0 {
		return nil
	}
	var doc any
	if err := reading.Unmarshal(data, &doc); err != nil {
		return []schema.Problem{{Kind: schema.Malformed, Have: strings.TrimPrefix(err.Error(), "cbor: ")}}
	}
	return docwire.Decode(doc, dst, s, enums, scalars{})
}

// scalars decodes the scalar values of CBOR, which are int64, float64, time.Time and []byte.
type scalars struct{}

func (scalars) Integer(value any, bits int) (int64, bool) {
	n, ok := value.(int64)
	limit := int64(math.MaxInt64 >> (64 - bits))
	return n, ok && n >= -limit-1 && n <= limit
}

func (scalars) Float(value any) (float64, bool) {
	switch v := value.(type) {
	case float64:
		return v, true
	case int64: // serializers may write a float that is a whole number as an integer
		return float64(v), true
	}
	return 0, false
}

func (scalars) Time(value any) (time.Time, bool) {
	t, ok := value.(time.Time)
	return t.Round(time.Millisecond).UTC(), ok && t.Year() >= 0 && t.Year() <= 9999
}

func (scalars) Blob(value any) ([]byte, bool) {
	b, ok := value.([]byte)
	return b, ok
}

// Document returns false, because RPC v2 has no members that may have any form.
func (scalars) Document(any) (any, bool) { return nil, false }

// Encode returns v, a struct described by s, as CBOR. It returns an error only if v has a member of type any, which
// RPC v2 does not have.
func Encode(v reflect.Value, s *schema.Struct) ([]byte, error) {
	doc, err := structure(v, s)
	if err != nil {
		return nil, err
	}
	return writing.Marshal(doc)
}

// Fault returns an error as CBOR. members has its type, its message and other members.
func Fault(members map[string]any) ([]byte, error) { return writing.Marshal(members) }

func structure(v reflect.Value, s *schema.Struct) (map[string]any, error) {
	doc := map[string]any{}
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if f.JSON == "" || fv.IsZero() && !f.WriteEmpty {
			continue
		}
		var err error
		if doc[f.JSON], err = value(fv, f.Type); err != nil {
			return nil, err
		}
	}
	return doc, nil
}

var errDocument = errors.New("a document, which RPC v2 CBOR does not have")

func value(v reflect.Value, t *schema.Type) (any, error) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch t.Kind {
	case schema.Any:
		return nil, errDocument
	case schema.Time:
		ms := v.Interface().(time.Time).UnixMilli()
		return cbor.Tag{Number: 1, Content: float64(ms) / 1000}, nil
	case schema.Structure:
		return structure(v, t.Struct)
	case schema.List:
		list := make([]any, v.Len())
		for i := range list {
			var err error
			if list[i], err = value(v.Index(i), t.Elem); err != nil {
				return nil, err
			}
		}
		return list, nil
	case schema.Map:
		doc := make(map[string]any, v.Len())
		for it := v.MapRange(); it.Next(); {
			var err error
			if doc[it.Key().String()], err = value(it.Value(), t.Elem); err != nil {
				return nil, err
			}
		}
		return doc, nil
	}
	return v.Interface(), nil
}
