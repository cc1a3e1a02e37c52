package jsonwire

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
)

// maxDepth is how deep a document may be nested; the deepest shapes need about fifteen, documents
// of type any a little more.
const maxDepth = 100

// parse reads one JSON document: nil, bool, string, json.Number, []any and map[string]any. Unlike
// encoding/json it refuses an object that has a member twice: one of the two would be dropped in
// silence.
func parse(data []byte) (any, error) {
	p := parser{json.NewDecoder(bytes.NewReader(data))}
	p.UseNumber()
	doc, err := p.value(0)
	if err != nil {
		return nil, p.explain(err)
	}
	if _, err := p.Token(); err != io.EOF {
		return nil, fmt.Errorf("unexpected text after the JSON document at byte %d", p.InputOffset())
	}
	return doc, nil
}

type parser struct{ *json.Decoder }

// refusal is an error of ours rather than of the JSON syntax.
type refusal string

func (r refusal) Error() string { return string(r) }

func (p parser) explain(err error) error {
	if syntax, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("%s at byte %d", syntax.Error(), syntax.Offset)
	}
	if r, ok := errors.AsType[refusal](err); ok {
		return fmt.Errorf("%s at byte %d", r, p.InputOffset())
	}
	return fmt.Errorf("unexpected end of JSON input at byte %d", p.InputOffset())
}

func (p parser) value(depth int) (any, error) {
	token, err := p.Token()
	if err != nil {
		return nil, err
	}
	if depth > maxDepth {
		return nil, refusal(fmt.Sprintf("nested deeper than %d levels", maxDepth))
	}
	switch token {
	case json.Delim('{'):
		return p.object(depth)
	case json.Delim('['):
		return p.list(depth)
	}
	return token, nil
}

func (p parser) object(depth int) (any, error) {
	object := map[string]any{}
	for p.More() {
		token, err := p.Token()
		if err != nil {
			return nil, err
		}
		name, ok := token.(string)
		if !ok {
			return nil, refusal("a member without a name")
		}
		if _, twice := object[name]; twice {
			return nil, refusal(fmt.Sprintf("the member %q is given twice", clip(name)))
		}
		if object[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
	_, err := p.Token()
	return object, err
}

func (p parser) list(depth int) (any, error) {
	list := []any{}
	for p.More() {
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
	_, err := p.Token()
	return list, err
}

// clip keeps a caller's text short enough to be repeated to them.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
