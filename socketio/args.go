package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"
	"unsafe"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/jsonscan"
)

// Binary is bytes that travel as a binary attachment wherever they stand in an argument. A plain
// []byte does so only as an argument of its own; inside a struct encoding/json makes it base64 text.
type Binary []byte

// Args are the arguments of an event or an acknowledgement as they came: valid JSON and the binary
// attachments it refers to. They may be handed on as they are: pass *Args to Emit and its elements
// become arguments. Args are immutable.
type Args struct {
	json        []byte // values separated by commas
	attachments [][]byte
}

// ErrNoArg is returned for an argument that was not sent.
var ErrNoArg = errors.New("socketio: no such argument")

// Len returns the number of arguments.
func (a *Args) Len() int {
	n := 0
	for list := (values{a.json}); list.next() != nil; {
		n++
	}
	return n
}

func (a *Args) size() int {
	n := len(a.json)
	for _, b := range a.attachments {
		n += len(b)
	}
	return n
}

// Raw returns the JSON of argument i, or nil. Binary in it is a placeholder object.
func (a *Args) Raw(i int) json.RawMessage {
	list := a.From(i).json
	return (&values{list}).next()
}

// From returns the arguments from i on.
func (a *Args) From(i int) *Args {
	list := values{a.json}
	for ; i > 0 && list.next() != nil; i-- {
	}
	return &Args{json: list.rest, attachments: a.attachments}
}

// values are JSON values with commas between them.
type values struct{ rest []byte }

// next returns the next value, or nil if there is none or what follows is not JSON.
func (l *values) next() []byte {
	text := l.rest[jsonscan.Space(l.rest, 0):]
	end := plainString(text)
	if end == 0 {
		var err error
		if end, err = jsonscan.Value(text, 0); err != nil {
			l.rest = nil
			return nil
		}
	}
	l.rest = text[min(jsonscan.Space(text, end)+1, len(text)):]
	return text[:end:end]
}

// plainString returns the length of the string, quotes included, that text starts with, or 0 if it starts with
// another value or with a string that has escapes.
func plainString(text []byte) int {
	if len(text) < 2 || text[0] != '"' {
		return 0
	}
	n := bytes.IndexByte(text[1:], '"')
	if n < 0 || bytes.IndexByte(text[1:1+n], '\\') >= 0 {
		return 0
	}
	return n + 2
}

// Decode decodes argument i into v, a pointer as for encoding/json. Binary is decoded into []byte or
// Binary wherever it stands; into anything else as base64 text.
func (a *Args) Decode(i int, v any) error {
	raw := a.Raw(i)
	if raw == nil {
		return fmt.Errorf("%w: %d", ErrNoArg, i)
	}
	return a.decode(raw, v)
}

func (a *Args) decode(raw []byte, v any) error {
	if a.decodeSimple(raw, v) {
		return nil
	}
	return json.Unmarshal(a.inline(raw), v)
}

// decodeSimple decodes the simple types and reports whether it has done so. It does not keep v, so v may be on the
// stack of a handler.
func (a *Args) decodeSimple(raw []byte, v any) bool {
	switch p := v.(type) {
	case *json.RawMessage:
		*p = raw
		return true
	case *string:
		if n := plainString(raw); n > 0 {
			*p = a.text(raw[1 : n-1])
			return true
		}
	case *int:
		if n, err := strconv.Atoi(string(raw)); err == nil {
			*p = n
			return true
		}
	case *int64:
		if n, err := strconv.ParseInt(string(raw), 10, 64); err == nil {
			*p = n
			return true
		}
	case *float64:
		if c := raw[0]; c == '-' || c >= '0' && c <= '9' {
			if n, err := strconv.ParseFloat(string(raw), 64); err == nil {
				*p = n
				return true
			}
		}
	case *bool:
		*p = string(raw) == "true"
		return *p || string(raw) == "false"
	case *[]byte:
		if b, ok := a.binary(raw); ok {
			*p = b
			return true
		}
	case *Binary:
		if b, ok := a.binary(raw); ok {
			*p = b
			return true
		}
	}
	return false
}

// text returns part of the arguments as a string. If it is most of them it is not copied: they never change.
func (a *Args) text(part []byte) string {
	if 2*len(part) < cap(a.json) {
		return string(part)
	}
	return unsafe.String(unsafe.SliceData(part), len(part))
}

// Scan decodes the arguments from the first on into the pointers, as many as there are of both.
func (a *Args) Scan(v ...any) error {
	list := values{a.json}
	for i, p := range v {
		raw := list.next()
		if raw == nil {
			return nil
		}
		if err := a.decode(raw, p); err != nil {
			return fmt.Errorf("argument %d: %w", i, err)
		}
	}
	return nil
}

const (
	placeholderHead = `{"_placeholder":true,"num":`
	inlineHead      = `{"_placeholder":true,"base64":"`
)

// binary returns the attachment that raw is a placeholder of.
func (a *Args) binary(raw []byte) ([]byte, bool) {
	num, ok := bytes.CutPrefix(raw, []byte(placeholderHead))
	if !ok {
		return nil, false
	}
	n, err := strconv.Atoi(string(bytes.TrimSuffix(num, []byte("}"))))
	if err != nil || n < 0 || n >= len(a.attachments) {
		return nil, false
	}
	return a.attachments[n], true
}

// inline replaces placeholders by base64 text, which encoding/json decodes into byte slices.
func (a *Args) inline(raw []byte) []byte {
	if len(a.attachments) == 0 || !bytes.Contains(raw, []byte(placeholderHead)) {
		return raw
	}
	var out []byte
	eachPlaceholder(raw, func(before []byte, num int) {
		out = append(out, before...)
		switch {
		case num >= len(a.attachments):
			out = append(out, "null"...)
		case num >= 0:
			out = base64.StdEncoding.AppendEncode(append(out, '"'), a.attachments[num])
			out = append(out, '"')
		}
	})
	return out
}

// eachPlaceholder calls f for each placeholder with the text before it, and at the end with the rest
// and -1. The form it looks for cannot occur inside a JSON string, where quotes are escaped.
func eachPlaceholder(raw []byte, f func(before []byte, num int)) {
	for {
		before, after, ok := bytes.Cut(raw, []byte(placeholderHead))
		end := bytes.IndexByte(after, '}')
		if !ok || end < 0 {
			f(raw, -1)
			return
		}
		num, err := strconv.Atoi(string(after[:end]))
		if err != nil || num < 0 {
			num = math.MaxInt // a placeholder of nothing
		}
		f(before, num)
		raw = after[end+1:]
	}
}

// MarshalJSON marks the bytes so that Emit finds them and makes an attachment of them.
func (b Binary) MarshalJSON() ([]byte, error) {
	out := make([]byte, 0, len(inlineHead)+2+base64.StdEncoding.EncodedLen(len(b)))
	out = base64.StdEncoding.AppendEncode(append(out, inlineHead...), b)
	return append(out, `"}`...), nil
}

// first returns the first argument as a payload of one value.
func (a *Args) first() *adapter.Payload {
	return &adapter.Payload{JSON: a.Raw(0), Attachments: a.attachments}
}
