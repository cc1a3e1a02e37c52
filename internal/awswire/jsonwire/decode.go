// Package jsonwire reads and writes shapes as AWS JSON 1.0 and 1.1: member names case-exact,
// timestamps as seconds since 1970 with a fraction, blobs in base 64, absent members left out and
// empty collections kept.
//
// It is as strict as docwire, which does most of the reading. Safe for concurrent use.
package jsonwire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"math"
	"reflect"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/awswire/docwire"
	"github.com/berthhq/berth/internal/awswire/schema"
)

// Decode reads data into dst, a settable struct described by s. enums gives the values of an enum
// by name; nil checks none. Empty data is an empty object, as AWS has it. When problems are
// returned, dst holds what could be read.
func Decode(data []byte, dst reflect.Value, s *schema.Struct, enums func(string) []string) []schema.Problem {
	if len(bytes.TrimSpace(data)) == 0 {
		return nil
	}
	doc, err := parse(data)
	if err != nil {
		return []schema.Problem{{Kind: schema.Malformed, Have: err.Error()}}
	}
	return docwire.Decode(doc, dst, s, enums, scalars{})
}

// scalars are JSON's: numbers are json.Number, times are numbers, blobs are text.
type scalars struct{}

// Integer takes 1e3 and 5.0 too, as they are integers.
func (scalars) Integer(value any, bits int) (int64, bool) {
	number, ok := value.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := strconv.ParseInt(number.String(), 10, bits)
	if err == nil {
		return n, true
	}
	f, err := number.Float64()
	limit := math.Ldexp(1, min(bits-1, 53))
	return int64(f), err == nil && f == math.Trunc(f) && f >= -limit && f < limit
}

// Float takes numbers, and the three words that JSON has no numbers for.
func (scalars) Float(value any) (float64, bool) {
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

// Time takes seconds since 1970 with a fraction, and for the sake of hand-written requests RFC 3339.
func (scalars) Time(value any) (time.Time, bool) {
	switch v := value.(type) {
	case json.Number:
		if f, err := v.Float64(); err == nil && math.Abs(f) < maxSeconds {
			return time.UnixMilli(int64(math.Round(f * 1000))).UTC(), true
		}
	case string:
		if t, err := time.Parse(time.RFC3339Nano, v); err == nil {
			return t.UTC(), true
		}
	}
	return time.Time{}, false
}

func (scalars) Blob(value any) ([]byte, bool) {
	text, ok := value.(string)
	if !ok {
		return nil, false
	}
	b, err := base64.StdEncoding.DecodeString(text)
	return b, err == nil
}

func (scalars) Document(value any) (any, bool) { return plain(value), true }

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
