package jsonwire

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"math"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// Encode writes v, a struct described by s. It fails only on a document (a member of type any) that JSON cannot hold.
func Encode(v reflect.Value, s *schema.Struct) ([]byte, error) {
	e := encoders.Get().(*encoder)
	e.structure(v, s)
	text, err := bytes.Clone(e.b), e.err
	if cap(e.b) <= mostReused {
		e.b, e.err = e.b[:0], nil
		encoders.Put(e)
	}
	return text, err
}

// encoders are encoders whose buffers are used again, because growing one took most of the memory of an answer.
var encoders = sync.Pool{New: func() any { return new(encoder) }}

// mostReused is the size of the largest buffer that is used again, in bytes.
const mostReused = 64 << 10

type encoder struct {
	b   []byte
	err error
}

func (e *encoder) structure(v reflect.Value, s *schema.Struct) {
	e.b = append(e.b, '{')
	first := true
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if f.JSON == "" || fv.IsZero() && !f.WriteEmpty {
			continue
		}
		if !first {
			e.b = append(e.b, ',')
		}
		first = false
		e.b = append(append(append(e.b, '"'), f.JSON...), '"', ':') // names of members need no escapes
		e.value(fv, f.Type)
	}
	e.b = append(e.b, '}')
}

func (e *encoder) value(v reflect.Value, t *schema.Type) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch t.Kind {
	case schema.String:
		e.text(v.String())
	case schema.Bool:
		e.b = strconv.AppendBool(e.b, v.Bool())
	case schema.Integer:
		e.b = strconv.AppendInt(e.b, v.Int(), 10)
	case schema.Float:
		e.float(v.Float(), t.Bits)
	case schema.Time:
		e.b = appendSeconds(e.b, timeOf(v))
	case schema.Blob:
		e.text(base64.StdEncoding.EncodeToString(v.Bytes()))
	case schema.Structure:
		e.structure(v, t.Struct)
	case schema.List:
		e.list(v, t)
	case schema.Map:
		e.mapping(v, t)
	case schema.Any:
		text, err := json.Marshal(v.Interface())
		if err != nil && e.err == nil {
			e.err = fmt.Errorf("a document that JSON cannot hold: %w", err)
		}
		e.b = append(e.b, text...)
	}
}

func (e *encoder) list(v reflect.Value, t *schema.Type) {
	e.b = append(e.b, '[')
	for i := range v.Len() {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.value(v.Index(i), t.Elem)
	}
	e.b = append(e.b, ']')
}

func (e *encoder) mapping(v reflect.Value, t *schema.Type) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.b = append(e.b, '{')
	for i, k := range keys {
		if i > 0 {
			e.b = append(e.b, ',')
		}
		e.text(k.String())
		e.b = append(e.b, ':')
		e.value(v.MapIndex(k), t.Elem)
	}
	e.b = append(e.b, '}')
}

// text writes a string; unlike json.Marshal it leaves <, > and & as they are.
func (e *encoder) text(s string) {
	if isPlain(s) {
		e.b = append(append(append(e.b, '"'), s...), '"')
		return
	}
	var text bytes.Buffer
	enc := json.NewEncoder(&text)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil && e.err == nil {
		e.err = err
	}
	e.b = append(e.b, bytes.TrimSuffix(text.Bytes(), []byte("\n"))...)
}

// isPlain reports whether JSON writes the string unchanged between quotes.
func isPlain(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

func (e *encoder) float(f float64, bits int) {
	switch {
	case math.IsNaN(f):
		e.b = append(e.b, `"NaN"`...)
	case math.IsInf(f, 1):
		e.b = append(e.b, `"Infinity"`...)
	case math.IsInf(f, -1):
		e.b = append(e.b, `"-Infinity"`...)
	default:
		e.b = strconv.AppendFloat(e.b, f, 'g', -1, bits)
	}
}

// timeOf returns the time.Time in v. Interface would copy it to the heap.
func timeOf(v reflect.Value) time.Time {
	if v.CanAddr() {
		return *v.Addr().Interface().(*time.Time)
	}
	return v.Interface().(time.Time)
}

// Seconds returns a time as AWS JSON has it: seconds since 1970, with milliseconds as the fraction when there are any.
func Seconds(t time.Time) string { return string(appendSeconds(nil, t)) }

func appendSeconds(b []byte, t time.Time) []byte {
	ms := t.UnixMilli()
	if ms < 0 {
		b, ms = append(b, '-'), -ms
	}
	b = strconv.AppendInt(b, ms/1000, 10)
	if rest := ms % 1000; rest != 0 {
		b = append(b, '.', byte('0'+rest/100), byte('0'+rest/10%10), byte('0'+rest%10))
		b = bytes.TrimRight(b, "0")
	}
	return b
}
