package socketio

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"strconv"

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
	for i := 0; i < len(a.json); n++ {
		end, err := jsonscan.Value(a.json, i)
		if err != nil {
			return n
		}
		i = jsonscan.Space(a.json, end) + 1
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
	for at := 0; at < len(a.json); i-- {
		start := jsonscan.Space(a.json, at)
		end, err := jsonscan.Value(a.json, start)
		if err != nil {
			return nil
		}
		if i == 0 {
			return a.json[start:end:end]
		}
		at = jsonscan.Space(a.json, end) + 1
	}
	return nil
}

// From returns the arguments from i on.
func (a *Args) From(i int) *Args {
	at := 0
	for ; i > 0 && at < len(a.json); i-- {
		end, err := jsonscan.Value(a.json, at)
		if err != nil {
			return &Args{}
		}
		at = jsonscan.Space(a.json, end) + 1
	}
	if at >= len(a.json) {
		return &Args{}
	}
	return &Args{json: a.json[at:], attachments: a.attachments}
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
	switch p := v.(type) {
	case *json.RawMessage:
		*p = raw
		return nil
	case *string:
		if n := len(raw); raw[0] == '"' && bytes.IndexByte(raw, '\\') < 0 {
			*p = string(raw[1 : n-1])
			return nil
		}
	case *int:
		if n, err := strconv.Atoi(string(raw)); err == nil {
			*p = n
			return nil
		}
	case *[]byte:
		if b, ok := a.binary(raw); ok {
			*p = b
			return nil
		}
	case *Binary:
		if b, ok := a.binary(raw); ok {
			*p = b
			return nil
		}
	}
	return json.Unmarshal(a.inline(raw), v)
}

// Scan decodes the arguments from the first on into the pointers, as many as there are of both.
func (a *Args) Scan(v ...any) error {
	for i, p := range v {
		raw := a.Raw(i)
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

// first is the first argument as a payload of one value.
func (a *Args) first() *adapter.Payload {
	return &adapter.Payload{JSON: a.Raw(0), Attachments: a.attachments}
}
