package jsonwire

import (
	"encoding/json"
	"fmt"
	"unicode/utf8"
)

// maxDepth is how deep a document may be nested; the deepest shapes need about fifteen, documents
// of type any a little more.
const maxDepth = 100

// parse reads one JSON document: nil, bool, string, json.Number, []any and map[string]any. It accepts
// what encoding/json accepts, except for an object that has a member twice (one of the two would be
// dropped in silence) and for a document that is nested too deep.
//
// It is written by hand because encoding/json took a tenth of the time of a call.
func parse(data []byte) (any, error) {
	p := parser{data: data}
	doc, err := p.value(0)
	if err != nil {
		return nil, err
	}
	if p.space(); p.at < len(data) {
		return nil, fmt.Errorf("unexpected text after the JSON document at byte %d", p.at)
	}
	return doc, nil
}

type parser struct {
	data []byte
	at   int // of the next byte
}

// unexpected returns the error for the next byte, or for the end of the data.
func (p *parser) unexpected() error {
	if p.at >= len(p.data) {
		return fmt.Errorf("unexpected end of JSON input at byte %d", len(p.data))
	}
	return fmt.Errorf("unexpected character %q at byte %d", p.data[p.at], p.at)
}

// next returns the next byte, 0 at the end of the data.
func (p *parser) next() byte {
	if p.at < len(p.data) {
		return p.data[p.at]
	}
	return 0
}

func (p *parser) space() {
	for c := p.next(); c == ' ' || c == '\n' || c == '\t' || c == '\r'; c = p.next() {
		p.at++
	}
}

func (p *parser) value(depth int) (any, error) {
	p.space()
	c := p.next()
	if (c == '{' || c == '[') && depth > maxDepth {
		return nil, fmt.Errorf("nested deeper than %d levels at byte %d", maxDepth, p.at)
	}
	switch {
	case c == '{':
		return p.object(depth)
	case c == '[':
		return p.list(depth)
	case c == '"':
		return p.text()
	case c == '-' || isDigit(c):
		return p.number()
	case c == 't':
		return true, p.word("true")
	case c == 'f':
		return false, p.word("false")
	case c == 'n':
		return nil, p.word("null")
	}
	return nil, p.unexpected()
}

func (p *parser) word(word string) error {
	for i := range len(word) {
		if p.next() != word[i] {
			return p.unexpected()
		}
		p.at++
	}
	return nil
}

// item goes to the next element of a list or object that ends with the given byte, and past the comma
// before it. It returns false, past the end, if there is no further element.
func (p *parser) item(end byte, first bool) (bool, error) {
	p.space()
	switch c := p.next(); {
	case c == end:
		p.at++
		return false, nil
	case first:
		return true, nil
	case c != ',':
		return false, p.unexpected()
	}
	p.at++
	return true, nil
}

func (p *parser) object(depth int) (any, error) {
	p.at++
	object := map[string]any{}
	for first := true; ; first = false {
		if more, err := p.item('}', first); !more {
			return object, err
		}
		if p.space(); p.next() != '"' {
			return nil, p.unexpected()
		}
		name, err := p.text()
		if err != nil {
			return nil, err
		}
		if _, twice := object[name]; twice {
			return nil, fmt.Errorf("the member %q is given twice at byte %d", clip(name), p.at)
		}
		if p.space(); p.next() != ':' {
			return nil, p.unexpected()
		}
		p.at++
		if object[name], err = p.value(depth + 1); err != nil {
			return nil, err
		}
	}
}

func (p *parser) list(depth int) (any, error) {
	p.at++
	list := []any{}
	for first := true; ; first = false {
		if more, err := p.item(']', first); !more {
			return list, err
		}
		v, err := p.value(depth + 1)
		if err != nil {
			return nil, err
		}
		list = append(list, v)
	}
}

// text reads a string. encoding/json reads those with escapes, and those that are not UTF-8.
func (p *parser) text() (string, error) {
	begin := p.at
	escaped := false
	for p.at++; ; p.at++ {
		switch c := p.next(); {
		case c < ' ': // also the end of the data
			return "", p.unexpected()
		case c == '\\':
			escaped = true
			p.at++ // what follows does not end the string
			if p.next() < ' ' {
				return "", p.unexpected()
			}
		case c == '"':
			p.at++
			if text := p.data[begin+1 : p.at-1]; !escaped && utf8.Valid(text) {
				return string(text), nil
			}
			var text string
			if json.Unmarshal(p.data[begin:p.at], &text) != nil {
				return "", fmt.Errorf("invalid escape in the string at byte %d", begin)
			}
			return text, nil
		}
	}
}

// number reads a number and checks its form (RFC 8259, section 6).
func (p *parser) number() (any, error) {
	begin := p.at
	if p.next() == '-' {
		p.at++
	}
	if p.next() == '0' {
		p.at++
	} else if !p.digits() {
		return nil, p.unexpected()
	}
	if p.next() == '.' {
		p.at++
		if !p.digits() {
			return nil, p.unexpected()
		}
	}
	if c := p.next(); c == 'e' || c == 'E' {
		p.at++
		if c := p.next(); c == '+' || c == '-' {
			p.at++
		}
		if !p.digits() {
			return nil, p.unexpected()
		}
	}
	return json.Number(p.data[begin:p.at]), nil
}

// digits reads digits and reports whether there are any.
func (p *parser) digits() bool {
	begin := p.at
	for isDigit(p.next()) {
		p.at++
	}
	return p.at > begin
}

func isDigit(c byte) bool { return '0' <= c && c <= '9' }

// clip keeps a caller's text short enough to be repeated to them.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
