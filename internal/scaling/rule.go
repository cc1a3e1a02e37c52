package scaling

import (
	"fmt"
	"strings"
)

// Rule is the rule of a composite alarm: states of other alarms, joined by AND, OR and NOT.
type Rule struct {
	op    string // "and", "or", "not", "true", "false", or a State
	name  string // of the alarm, if op is a State
	text  string // the name as it was written, which may be an ARN
	parts []*Rule
}

// maxRule limits the length of a rule, maxDepth the nesting of its parentheses.
const (
	maxRule  = 10240
	maxDepth = 100
)

// ParseRule reads an AlarmRule such as ALARM("cpu high") AND NOT (OK(requests) OR FALSE). A name
// with spaces or parentheses must be quoted; a quote in it is written \".
func ParseRule(text string) (*Rule, error) {
	if len(text) > maxRule {
		return nil, fmt.Errorf("an AlarmRule has at most %d characters, and this one has %d", maxRule, len(text))
	}
	p := ruleParser{rest: text}
	r := p.or(0)
	if p.space(); p.err == nil && p.rest != "" {
		p.fail("AND, OR or the end was expected")
	}
	if p.err != nil {
		return nil, fmt.Errorf("the AlarmRule is wrong at character %d: %w", len(text)-len(p.rest)+1, p.err)
	}
	return r, nil
}

type ruleParser struct {
	rest string
	err  error
}

func (p *ruleParser) fail(format string, args ...any) *Rule {
	if p.err == nil {
		p.err = fmt.Errorf(format, args...)
	}
	return &Rule{op: "false"}
}

func (p *ruleParser) space() { p.rest = strings.TrimLeft(p.rest, " \t\r\n") }

// word reads a word, in any case.
func (p *ruleParser) word(word string) bool {
	p.space()
	if len(p.rest) < len(word) || !strings.EqualFold(p.rest[:len(word)], word) {
		return false
	}
	after := p.rest[len(word):]
	if after != "" && word != "(" && word != ")" && !strings.ContainsRune(" \t\r\n()", rune(after[0])) {
		return false
	}
	p.rest = after
	return true
}

func (p *ruleParser) or(depth int) *Rule { return p.list("or", depth, p.and) }

func (p *ruleParser) and(depth int) *Rule { return p.list("and", depth, p.one) }

// list reads operands joined by one operator.
func (p *ruleParser) list(op string, depth int, operand func(int) *Rule) *Rule {
	parts := []*Rule{operand(depth)}
	for p.err == nil && p.word(op) {
		parts = append(parts, operand(depth))
	}
	if len(parts) == 1 {
		return parts[0]
	}
	return &Rule{op: op, parts: parts}
}

func (p *ruleParser) one(depth int) *Rule {
	switch {
	case depth > maxDepth:
		return p.fail("parentheses are nested more than %d deep", maxDepth)
	case p.word("not"):
		return &Rule{op: "not", parts: []*Rule{p.one(depth + 1)}}
	case p.word("true"):
		return &Rule{op: "true"}
	case p.word("false"):
		return &Rule{op: "false"}
	case p.word("("):
		r := p.or(depth + 1)
		if p.err == nil && !p.word(")") {
			return p.fail("a closing parenthesis was expected")
		}
		return r
	}
	for _, s := range []State{InAlarm, OK, InsufficientData} {
		if p.word(string(s)) {
			return p.state(s)
		}
	}
	return p.fail("ALARM, OK, INSUFFICIENT_DATA, TRUE, FALSE, NOT or a parenthesis was expected")
}

func (p *ruleParser) state(s State) *Rule {
	if !p.word("(") {
		return p.fail("the name of an alarm in parentheses was expected")
	}
	p.space()
	name := p.name()
	if p.err == nil && name == "" {
		return p.fail("the name of an alarm is missing")
	}
	if p.err == nil && !p.word(")") {
		return p.fail("a closing parenthesis was expected")
	}
	return &Rule{op: string(s), name: AlarmName(name), text: name}
}

func (p *ruleParser) name() string {
	if !strings.HasPrefix(p.rest, `"`) {
		end := strings.IndexAny(p.rest, "() \t\r\n\"")
		if end < 0 {
			end = len(p.rest)
		}
		name := p.rest[:end]
		p.rest = p.rest[end:]
		return name
	}
	var name strings.Builder
	for i := 1; i < len(p.rest); i++ {
		switch c := p.rest[i]; {
		case c == '"':
			p.rest = p.rest[i+1:]
			return name.String()
		case c == '\\' && i+1 < len(p.rest) && (p.rest[i+1] == '"' || p.rest[i+1] == '\\'):
			i++
			name.WriteByte(p.rest[i])
		default:
			name.WriteByte(c)
		}
	}
	p.fail("the name of an alarm has no closing quote")
	return ""
}

// AlarmName returns the name in an alarm's ARN, or the text itself if it is a name.
func AlarmName(text string) string {
	if strings.HasPrefix(text, "arn:") {
		if parts := strings.SplitN(text, ":", 7); len(parts) == 7 && parts[2] == "cloudwatch" && parts[5] == "alarm" {
			return parts[6]
		}
	}
	return text
}

// Alarms returns the names in a rule, each once, in the order of the text.
func (r *Rule) Alarms() []string { return r.each(func(r *Rule) string { return r.name }) }

// Texts returns the names as they were written, which may be ARNs, each once, in the order of the text.
func (r *Rule) Texts() []string { return r.each(func(r *Rule) string { return r.text }) }

func (r *Rule) each(of func(*Rule) string) (all []string) {
	seen := make(map[string]bool)
	var walk func(*Rule)
	walk = func(r *Rule) {
		if text := of(r); text != "" && !seen[text] {
			seen[text] = true
			all = append(all, text)
		}
		for _, part := range r.parts {
			walk(part)
		}
	}
	walk(r)
	return all
}

// Holds reports whether a rule is true. The state of a deleted alarm is INSUFFICIENT_DATA.
func (r *Rule) Holds(state func(name string) State) bool {
	switch r.op {
	case "true":
		return true
	case "false":
		return false
	case "not":
		return !r.parts[0].Holds(state)
	case "and", "or":
		for _, part := range r.parts {
			if part.Holds(state) == (r.op == "or") {
				return r.op == "or"
			}
		}
		return r.op == "and"
	}
	return state(r.name) == State(r.op)
}
