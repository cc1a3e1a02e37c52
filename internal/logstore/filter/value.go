package filter

import (
	"bytes"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// Selector selects one value of a JSON message.
type Selector struct{ at path }

// ParseSelector parses a selector such as $.user.name. The error is the service's InvalidParameterException.
func ParseSelector(text string) (Selector, error) {
	p := parser{rest: text}
	at, err := p.path()
	if err == nil && p.rest != "" {
		err = p.unexpected("the end of the selector")
	}
	return Selector{at}, err
}

// Message is a message that is decoded when it is first needed.
type Message struct {
	text    string
	decoded any
	tried   bool
}

// NewMessage returns a message.
func NewMessage(text string) *Message { return &Message{text: text} }

// Text returns the first value that the selector selects, as text: a text, a number or a boolean. ok is false if there
// is none.
func (s Selector) Text(m *Message) (text string, ok bool) {
	if !m.tried {
		m.tried = true
		d := json.NewDecoder(bytes.NewReader([]byte(m.text)))
		d.UseNumber()
		if d.Decode(&m.decoded) != nil {
			m.decoded = nil
		}
	}
	s.at.some(m.decoded, func(v any) bool {
		switch v := v.(type) {
		case string:
			text, ok = v, true
		case json.Number:
			text, ok = v.String(), true
		case bool:
			text, ok = strconv.FormatBool(v), true
		}
		return ok
	})
	return text, ok
}

// Selectors returns the selectors in a pattern over JSON messages, each once and sorted; none of other patterns. The
// pattern is one that Parse accepts.
func Selectors(pattern string) (all []string) {
	pattern = strings.TrimSpace(pattern)
	if !strings.HasPrefix(pattern, "{") {
		return nil
	}
	found := make(map[string]bool)
	for rest := pattern; rest != ""; {
		switch {
		case rest[0] == '"': // a text, in which $ has no meaning
			if _, after, err := quoted(rest); err == nil {
				rest = after
				continue
			}
			rest = rest[1:]
		case rest[0] == '$':
			p := parser{rest: rest}
			if _, err := p.path(); err == nil {
				found[rest[:len(rest)-len(p.rest)]] = true
				rest = p.rest
				continue
			}
			rest = rest[1:]
		default:
			rest = rest[1:]
		}
	}
	return slices.Sorted(maps.Keys(found))
}
