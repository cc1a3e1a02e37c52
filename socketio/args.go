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

// Binary is bytes that are sent as a binary attachment, also when they are inside another value, such as a field of a
// struct. A plain []byte is sent as an attachment only if it is itself an argument; inside another value,
// encoding/json encodes it as base64 text.
type Binary []byte

// Args are the arguments of an event or an acknowledgement as they were received: valid JSON, and the binary
// attachments that it refers to. To pass them on without decoding them, give the *Args to Emit: each element becomes
// an argument. Args never change.
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

// size returns the length of the JSON and of all attachments, in bytes.
func (a *Args) size() int {
	n := len(a.json)
	for _, b := range a.attachments {
		n += len(b)
	}
	return n
}

// Raw returns the JSON of argument i, or nil if there is none. In place of each binary attachment it has a placeholder
// object, {"_placeholder":true,"num":n}.
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

// next returns the next value. It returns nil if there is none, or if the text is not valid JSON.
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

// Decode decodes argument i into v, which is a pointer as for json.Unmarshal. An attachment can be decoded into a
// []byte or a Binary; into other types it is decoded as base64 text. The error is ErrNoArg if the argument was not
// sent.
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

// decodeSimple decodes raw into v if v points to one of the types below, and reports whether it did. It does not keep
// v, so v may be on the stack of a handler.
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

// text returns a part of the arguments as a string. If the part is at least half of the arguments, it is not copied:
// the string shares their memory, which never changes.
func (a *Args) text(part []byte) string {
	if 2*len(part) < cap(a.json) {
		return string(part)
	}
	return unsafe.String(unsafe.SliceData(part), len(part))
}

// Scan decodes the arguments into the pointers, the first argument into the first pointer and so on. Arguments without
// a pointer are ignored, and pointers without an argument keep their values.
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

// binary returns the attachment whose placeholder raw is.
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

// eachPlaceholder calls f for each placeholder, with the text before it and its number, and at the end with the
// remaining text and -1. A placeholder is never found inside a JSON string by mistake: quotes are escaped there.
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
			num = math.MaxInt // larger than the number of any attachment
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

// first returns a payload whose JSON is the first argument.
func (a *Args) first() *adapter.Payload {
	return &adapter.Payload{JSON: a.Raw(0), Attachments: a.attachments}
}
