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
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// Encode writes v, a struct described by s. It fails only on a document (a member of type any) that JSON cannot hold.
func Encode(v reflect.Value, s *schema.Struct) ([]byte, error) {
	e := encoder{}
	e.structure(v, s)
	return e.b.Bytes(), e.err
}

type encoder struct {
	b   bytes.Buffer
	err error
}

func (e *encoder) structure(v reflect.Value, s *schema.Struct) {
	e.b.WriteByte('{')
	first := true
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if f.JSON == "" || fv.IsZero() {
			continue
		}
		if !first {
			e.b.WriteByte(',')
		}
		first = false
		e.text(f.JSON)
		e.b.WriteByte(':')
		e.value(fv, f.Type)
	}
	e.b.WriteByte('}')
}

func (e *encoder) value(v reflect.Value, t *schema.Type) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch t.Kind {
	case schema.String:
		e.text(v.String())
	case schema.Bool:
		e.b.WriteString(strconv.FormatBool(v.Bool()))
	case schema.Integer:
		e.b.WriteString(strconv.FormatInt(v.Int(), 10))
	case schema.Float:
		e.float(v.Float(), t.Bits)
	case schema.Time:
		e.b.WriteString(Seconds(v.Interface().(time.Time)))
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
		e.b.Write(text)
	}
}

func (e *encoder) list(v reflect.Value, t *schema.Type) {
	e.b.WriteByte('[')
	for i := range v.Len() {
		if i > 0 {
			e.b.WriteByte(',')
		}
		e.value(v.Index(i), t.Elem)
	}
	e.b.WriteByte(']')
}

func (e *encoder) mapping(v reflect.Value, t *schema.Type) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	e.b.WriteByte('{')
	for i, k := range keys {
		if i > 0 {
			e.b.WriteByte(',')
		}
		e.text(k.String())
		e.b.WriteByte(':')
		e.value(v.MapIndex(k), t.Elem)
	}
	e.b.WriteByte('}')
}

// text writes a string; unlike json.Marshal it leaves <, > and & as they are.
func (e *encoder) text(s string) {
	if isPlain(s) {
		e.b.WriteByte('"')
		e.b.WriteString(s)
		e.b.WriteByte('"')
		return
	}
	enc := json.NewEncoder(&e.b)
	enc.SetEscapeHTML(false)
	if err := enc.Encode(s); err != nil && e.err == nil {
		e.err = err
	}
	e.b.Truncate(e.b.Len() - 1) // the newline that Encode adds
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
		e.b.WriteString(`"NaN"`)
	case math.IsInf(f, 1):
		e.b.WriteString(`"Infinity"`)
	case math.IsInf(f, -1):
		e.b.WriteString(`"-Infinity"`)
	default:
		e.b.WriteString(strconv.FormatFloat(f, 'g', -1, bits))
	}
}

// Seconds returns a time as AWS JSON has it: seconds since 1970, with milliseconds as the fraction when there are any.
func Seconds(t time.Time) string {
	ms := t.UnixMilli()
	sign := ""
	if ms < 0 {
		sign, ms = "-", -ms
	}
	s := sign + strconv.FormatInt(ms/1000, 10)
	if rest := ms % 1000; rest != 0 {
		s += strings.TrimRight(fmt.Sprintf(".%03d", rest), "0")
	}
	return s
}
