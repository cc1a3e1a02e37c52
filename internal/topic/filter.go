package topic

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// FilterPolicy selects messages for a subscription by their attributes: a message must have each attribute that is a
// key of the policy, with a value that one of the attribute's conditions accepts.
type FilterPolicy map[string][]condition

// Limits of a filter policy, as on AWS.
const (
	maxFilterNames  = 5
	maxCombinations = 150
)

// condition accepts values of an attribute.
type condition struct {
	text    *string  // the value is this text, or this JSON number as it was written
	number  *float64 // the value is this number
	prefix  string
	suffix  string
	folded  *string // the value is this text in any case
	but     *exclusion
	numeric []comparison
	exists  *bool
}

// exclusion is what anything-but excludes.
type exclusion struct {
	values []condition
	prefix string
	suffix string
}

type comparison struct {
	operator string
	number   float64
}

// ParseFilterPolicy reads a FilterPolicy for attributes of messages.
func ParseFilterPolicy(text string) (FilterPolicy, error) {
	var in map[string]json.RawMessage
	if err := strict(text, &in); err != nil {
		return nil, fmt.Errorf("failed to parse JSON: %w", err)
	}
	if len(in) > maxFilterNames {
		//lint:ignore ST1005 these are AWS's words
		return nil, errors.New("Filter policy can not have more than 5 keys")
	}
	policy, combinations := make(FilterPolicy), 1
	for _, name := range slices.Sorted(maps.Keys(in)) {
		var list []json.RawMessage
		if json.Unmarshal(in[name], &list) != nil {
			return nil, fmt.Errorf("%q must be a list of conditions", name)
		}
		if len(list) == 0 {
			return nil, fmt.Errorf("the list of %q must not be empty", name)
		}
		for _, raw := range list {
			c, err := parseCondition(raw)
			if err != nil {
				return nil, fmt.Errorf("%q: %w", name, err)
			}
			policy[name] = append(policy[name], c)
		}
		if combinations *= len(list); combinations > maxCombinations {
			//lint:ignore ST1005 these are AWS's words
			return nil, errors.New("Filter policy is too complex")
		}
	}
	return policy, nil
}

func parseCondition(raw json.RawMessage) (condition, error) {
	if c, ok := parseValue(raw); ok {
		return c, nil
	}
	var in map[string]json.RawMessage
	if json.Unmarshal(raw, &in) != nil || len(in) != 1 {
		return condition{}, fmt.Errorf("%.100s is neither a value nor an object with one operator", raw)
	}
	for operator, value := range in {
		return parseOperator(operator, value)
	}
	return condition{}, nil // in has one member
}

// parseValue reads a text, a number or a literal.
func parseValue(raw json.RawMessage) (condition, bool) {
	var value any
	if json.Unmarshal(raw, &value) != nil {
		return condition{}, false
	}
	switch value := value.(type) {
	case string:
		return condition{text: &value}, true
	case float64:
		return condition{number: &value}, true
	case bool:
		return condition{text: new(strconv.FormatBool(value))}, true
	case nil:
		return condition{text: new("null")}, true
	}
	return condition{}, false
}

func parseOperator(operator string, value json.RawMessage) (c condition, err error) {
	switch operator {
	case "prefix":
		return c, parseText(value, &c.prefix)
	case "suffix":
		return c, parseText(value, &c.suffix)
	case "equals-ignore-case":
		c.folded = new(string)
		return c, parseText(value, c.folded)
	case "exists":
		return c, json.Unmarshal(value, &c.exists)
	case "numeric":
		c.numeric, err = parseNumeric(value)
		return c, err
	case "anything-but":
		c.but, err = parseBut(value)
		return c, err
	}
	//lint:ignore ST1005 these are AWS's words
	return c, fmt.Errorf("Unrecognized match type %s", operator)
}

// parseText reads a text that is not empty.
func parseText(raw json.RawMessage, into *string) error {
	if err := json.Unmarshal(raw, into); err != nil || *into == "" {
		return fmt.Errorf("%.100s must be a text that is not empty", raw)
	}
	return nil
}

func parseBut(raw json.RawMessage) (*exclusion, error) {
	if c, ok := parseValue(raw); ok {
		return &exclusion{values: []condition{c}}, nil
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) == nil && len(list) > 0 {
		but := &exclusion{}
		for _, one := range list {
			c, ok := parseValue(one)
			if !ok {
				return nil, fmt.Errorf("%.100s in anything-but must be a value", one)
			}
			but.values = append(but.values, c)
		}
		return but, nil
	}
	var in struct {
		Prefix *string `json:"prefix"`
		Suffix *string `json:"suffix"`
	}
	if err := strict(string(raw), &in); err != nil || (in.Prefix == nil) == (in.Suffix == nil) {
		return nil, fmt.Errorf("anything-but must have values, a prefix or a suffix")
	}
	if in.Prefix != nil {
		return &exclusion{prefix: *in.Prefix}, nil
	}
	return &exclusion{suffix: *in.Suffix}, nil
}

var operators = []string{"=", "<", "<=", ">", ">="}

func parseNumeric(raw json.RawMessage) (all []comparison, err error) {
	var list []any
	if json.Unmarshal(raw, &list) != nil || len(list) != 2 && len(list) != 4 {
		return nil, errors.New("numeric must have one or two operators, each with a number")
	}
	for i := 0; i < len(list); i += 2 {
		operator, _ := list[i].(string)
		number, ok := list[i+1].(float64)
		if !ok || !slices.Contains(operators, operator) {
			return nil, errors.New("numeric must have one or two operators, each with a number")
		}
		all = append(all, comparison{operator, number})
	}
	return all, nil
}

// Accepts reports whether a message with the attributes is delivered.
func (f FilterPolicy) Accepts(attributes map[string]Attribute) bool {
	for name, conditions := range f {
		a, has := attributes[name]
		if !slices.ContainsFunc(conditions, func(c condition) bool { return c.accepts(a, has) }) {
			return false
		}
	}
	return true
}

func (c condition) accepts(a Attribute, has bool) bool {
	if c.exists != nil {
		return has == *c.exists
	}
	return slices.ContainsFunc(a.values(), c.matches)
}

// value is a value of an attribute, as text and as number.
type value struct {
	text     string
	number   float64
	isNumber bool
}

// values returns the values that filters see: those of a list, and none of a binary attribute.
func (a Attribute) values() (all []value) {
	switch kind, _, _ := strings.Cut(a.Type, "."); {
	case kind == "Number":
		n, err := strconv.ParseFloat(a.String, 64)
		return []value{{a.String, n, err == nil}}
	case a.Type == "String.Array":
		var list []any
		if json.Unmarshal([]byte(a.String), &list) != nil {
			return []value{{text: a.String}}
		}
		for _, one := range list {
			switch one := one.(type) {
			case string:
				all = append(all, value{text: one})
			case float64:
				all = append(all, value{number: one, isNumber: true})
			case bool:
				all = append(all, value{text: strconv.FormatBool(one)})
			case nil:
				all = append(all, value{text: "null"})
			}
		}
		return all
	case kind == "String":
		return []value{{text: a.String}}
	}
	return nil
}

func (c condition) matches(v value) bool {
	switch {
	case c.text != nil:
		return !v.isNumber && v.text == *c.text
	case c.number != nil:
		return v.isNumber && v.number == *c.number
	case c.folded != nil:
		return !v.isNumber && strings.EqualFold(v.text, *c.folded)
	case c.but != nil:
		return c.but.accepts(v)
	case c.numeric != nil:
		return v.isNumber && !slices.ContainsFunc(c.numeric, func(x comparison) bool { return !x.holds(v.number) })
	case c.prefix != "":
		return !v.isNumber && strings.HasPrefix(v.text, c.prefix)
	}
	return !v.isNumber && strings.HasSuffix(v.text, c.suffix)
}

func (b *exclusion) accepts(v value) bool {
	switch {
	case b.prefix != "":
		return !strings.HasPrefix(v.text, b.prefix)
	case b.suffix != "":
		return !strings.HasSuffix(v.text, b.suffix)
	}
	return !slices.ContainsFunc(b.values, func(c condition) bool { return c.matches(v) })
}

func (x comparison) holds(n float64) bool {
	switch x.operator {
	case "=":
		return n == x.number
	case "<":
		return n < x.number
	case "<=":
		return n <= x.number
	case ">":
		return n > x.number
	}
	return n >= x.number
}
