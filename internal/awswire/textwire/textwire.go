// Package textwire reads and writes scalars in the text form that they have in the parameters of Query, in XML, in URLs
// and in header fields. Its functions are safe for concurrent use.
package textwire

import (
	"encoding/base64"
	"math"
	"net/http"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

// layouts are the forms in which clients write times.
var layouts = []string{
	time.RFC3339Nano, "2006-01-02T15:04Z07:00", "2006-01-02T15:04:05", "2006-01-02", http.TimeFormat,
}

// Set reads text into dst, a settable scalar of type t. enums returns the values of an enum by its name; if it is nil,
// enums are not checked. Set returns what is wrong with the text, without the path, or nil.
func Set(dst reflect.Value, t *schema.Type, text string, enums func(string) []string) *schema.Problem {
	switch t.Kind {
	case schema.String:
		if t.Enum != "" && enums != nil {
			if allowed := enums(t.Enum); !slices.Contains(allowed, text) {
				return &schema.Problem{Kind: schema.BadEnum, Have: text, Allowed: allowed}
			}
		}
		dst.SetString(text)
	case schema.Bool:
		if !strings.EqualFold(text, "true") && !strings.EqualFold(text, "false") {
			return wrongType(text, "Boolean")
		}
		dst.SetBool(strings.EqualFold(text, "true"))
	case schema.Integer:
		i, err := strconv.ParseInt(text, 10, t.Bits)
		if err != nil {
			return wrongType(text, map[int]string{32: "Integer", 64: "Long"}[t.Bits])
		}
		dst.SetInt(i)
	case schema.Float:
		f, err := strconv.ParseFloat(text, t.Bits)
		if err != nil || math.IsNaN(f) && text != "NaN" {
			return wrongType(text, "Double")
		}
		dst.SetFloat(f)
	case schema.Time:
		return setTime(dst, text)
	case schema.Blob:
		b, err := base64.StdEncoding.DecodeString(text)
		if err != nil {
			return wrongType(text, "Blob")
		}
		dst.SetBytes(b)
	default:
		return wrongType(text, "Structure")
	}
	return nil
}

func setTime(dst reflect.Value, text string) *schema.Problem {
	for _, layout := range layouts {
		if at, err := time.Parse(layout, text); err == nil {
			dst.Set(reflect.ValueOf(at.UTC()))
			return nil
		}
	}
	return wrongType(text, "Timestamp")
}

func wrongType(have, want string) *schema.Problem {
	return &schema.Problem{Kind: schema.WrongType, Have: have, Want: want}
}

// Text returns v, a scalar of type t, as text. Times are in ISO 8601 form with milliseconds.
func Text(v reflect.Value, t *schema.Type) string {
	switch t.Kind {
	case schema.Bool:
		return strconv.FormatBool(v.Bool())
	case schema.Integer:
		return strconv.FormatInt(v.Int(), 10)
	case schema.Float:
		return float(v.Float(), t.Bits)
	case schema.Time:
		return v.Interface().(time.Time).UTC().Format("2006-01-02T15:04:05.000Z")
	case schema.Blob:
		return base64.StdEncoding.EncodeToString(v.Bytes())
	}
	return v.String()
}

func float(f float64, bits int) string {
	switch {
	case math.IsInf(f, 1):
		return "Infinity"
	case math.IsInf(f, -1):
		return "-Infinity"
	}
	return strconv.FormatFloat(f, 'f', -1, bits)
}
