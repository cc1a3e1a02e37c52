// Package xmlwire writes shapes as XML in the form of AWS's Query and REST protocols, and reads them. Element names
// come from the tags, lists are wrapped or flat, maps have entries, and timestamps are in ISO 8601 form with
// milliseconds. A list that is nil is written as an empty one, as AWS does, unless its tag has omitempty. It is safe
// for concurrent use.
package xmlwire

import (
	"bytes"
	"encoding/xml"
	"reflect"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/textwire"
)

// Encode writes the members of v, a struct described by s, one element after the other. It writes no element around
// them.
func Encode(b *bytes.Buffer, v reflect.Value, s *schema.Struct) {
	for i := range s.Fields {
		f := &s.Fields[i]
		fv := v.Field(f.Index)
		if f.XML.Name == "" || fv.IsZero() && !writtenEmpty(f) {
			continue
		}
		member(b, fv, f.Type, f.XML)
	}
}

// writtenEmpty reports whether a member is written although it is nil. A list is, unless its tag has omitempty, or it
// is flat: an empty flat list has no elements.
func writtenEmpty(f *schema.Field) bool {
	return f.Type.Kind == schema.List && !f.XML.Flat && !f.XML.OmitEmpty
}

// Element writes <name>text</name>, escaped.
func Element(b *bytes.Buffer, name, text string) {
	b.WriteString("<" + name + ">")
	// Characters that are not allowed in XML become U+FFFD. Writing to a bytes.Buffer returns no errors.
	_ = xml.EscapeText(b, []byte(text))
	b.WriteString("</" + name + ">")
}

func member(b *bytes.Buffer, v reflect.Value, t *schema.Type, n schema.Names) {
	switch {
	case t.Kind == schema.List && n.Flat:
		for i := range v.Len() {
			element(b, n.Name, v.Index(i), t.Elem)
		}
	case t.Kind == schema.List:
		wrapped(b, n.Name, func() {
			for i := range v.Len() {
				element(b, n.Item, v.Index(i), t.Elem)
			}
		})
	case t.Kind == schema.Map:
		wrapped(b, n.Name, func() { entries(b, v, t, n) })
	default:
		element(b, n.Name, v, t)
	}
}

func entries(b *bytes.Buffer, v reflect.Value, t *schema.Type, n schema.Names) {
	keys := v.MapKeys()
	slices.SortFunc(keys, func(a, b reflect.Value) int { return strings.Compare(a.String(), b.String()) })
	for _, k := range keys {
		wrapped(b, n.Entry, func() {
			Element(b, n.Key, k.String())
			element(b, n.Value, v.MapIndex(k), t.Elem)
		})
	}
}

func wrapped(b *bytes.Buffer, name string, inner func()) {
	b.WriteString("<" + name + ">")
	inner()
	b.WriteString("</" + name + ">")
}

func element(b *bytes.Buffer, name string, v reflect.Value, t *schema.Type) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	if t.Kind == schema.Structure {
		wrapped(b, name, func() { Encode(b, v, t.Struct) })
		return
	}
	Element(b, name, textwire.Text(v, t))
}
