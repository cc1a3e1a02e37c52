package cql

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/golden"
)

// instances has the instances of testdata/truth.txt, in order.
var instances = []struct {
	name string
	is   Subject
}{
	{"web", Subject{AgentConnected: true, AgentVersion: "1.98.0", EC2InstanceID: "i-0a", RunningTasksCount: 3,
		RegisteredAt: time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC),
		Attributes: map[string]string{"ecs.availability-zone": "us-east-1a", "ecs.instance-type": "t3.medium",
			"stack": "prod", "weight": "9"},
		TaskGroups: map[string]int{"service:shop": 2, "family:job": 1}}},
	{"old", Subject{AgentConnected: true, AgentVersion: "1.9.2", EC2InstanceID: "i-0b", RunningTasksCount: 0,
		RegisteredAt: time.Date(2025, 12, 1, 0, 0, 0, 0, time.UTC),
		Attributes: map[string]string{"ecs.availability-zone": "us-east-1b", "ecs.instance-type": "g4dn.xlarge",
			"stack": "dev", "weight": "10", "gpu": ""}}},
	{"lost", Subject{AgentVersion: "v2.0.0-rc1", EC2InstanceID: "i-0c", RunningTasksCount: 1,
		RegisteredAt: time.Date(2026, 2, 1, 0, 0, 0, 1, time.UTC),
		Attributes:   map[string]string{"ecs.availability-zone": "us-east-1a", "note": "two words", "weight": "1e1"},
		TaskGroups:   map[string]int{"service:shop": 1, "service:gone": 0}}},
	{"home", Subject{AgentConnected: true, AgentVersion: "dev", Attributes: map[string]string{"stack": "",
		"weight": "-3"}}},
	{"bare", Subject{}},
}

// answers returns the names of the instances that match, in the order of instances.
func answers(e *Expr) string {
	var all []string
	for i := range instances {
		if e.Match(&instances[i].is) {
			all = append(all, instances[i].name)
		}
	}
	if len(all) == 0 {
		return "nobody"
	}
	return strings.Join(all, " ")
}

// Each line of testdata/truth.txt is an expression and the instances that match it, or the reason why it is
// refused (ecs.md 2.6). To find the answer for a new expression, add it, run the test with -rewrite and read
// the file.
func TestTruth(t *testing.T) {
	text, err := os.ReadFile("testdata/truth.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	n := 0
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			out.WriteString(line + "\n")
			continue
		}
		expr, _, _ := strings.Cut(line, "  ->  ")
		e, err := Parse(expr)
		answer := ""
		if err != nil {
			answer = strings.TrimPrefix(err.Error(), "invalid expression: ")
		} else {
			answer = answers(e)
			n++
		}
		out.WriteString(expr + "  ->  " + answer + "\n")
	}
	golden.Compare(t, "truth.txt", out.String())
	if n < 100 {
		t.Errorf("only %d expressions were accepted", n)
	}
}

// Each line of testdata/accepts.txt lists the literals that a subject accepts after an operator.
func TestWhatOperatorsAccept(t *testing.T) {
	subjects := []string{
		"agentConnected", "agentVersion", "ec2InstanceId", "registeredAt", "runningTasksCount", "attribute:a",
		"task:group",
	}
	operators := []string{
		"==", "equals", "!=", "not_equals", ">", "greater_than", ">=", "greater_than_equal", "<", "less_than", "<=",
		"less_than_equal", "in", "!in", "not_in", "=~", "matches", "!~", "not_matches",
	}
	literals := []string{"true", "5", "-5", "1.5", "1.2.3", "v1", "2026-01-31", "2026-01-31T10:00:00Z", "word",
		"'two words'"}
	var out strings.Builder
	for _, subject := range subjects {
		for _, operator := range operators {
			var takes []string
			for _, literal := range literals {
				text := subject + " " + operator + " " + literal
				if strings.HasSuffix(operator, "in") {
					text = subject + " " + operator + " [" + literal + "]"
				}
				if _, err := Parse(text); err == nil {
					takes = append(takes, literal)
				} else if _, ok := errors.AsType[*SyntaxError](err); !ok {
					t.Errorf("%s: %v", text, err)
				}
			}
			what := strings.Join(takes, " ")
			switch len(takes) {
			case 0:
				what = "nothing"
			case len(literals):
				what = "anything"
			}
			fmt.Fprintf(&out, "%s %s takes %s\n", subject, operator, what)
		}
		for _, operator := range []string{"exists", "!exists", "not_exists"} {
			if _, err := Parse(subject + " " + operator); err != nil {
				t.Errorf("%s %s: %v", subject, operator, err)
			}
		}
	}
	golden.Compare(t, "accepts.txt", out.String())
}

// Each line of testdata/patterns.txt is a pattern and, after the arrow, the values that it matches as in
// Java, or the reason why it is refused.
func TestPatterns(t *testing.T) {
	values := []string{
		"", "a", "A", "ab", "abc", "a.c", "a-c", "t2.small", "t3.medium", "us-east-1a", "us-east-1b", "ü", "a b", "10",
		"x]", "a&b", "a\nb",
	}
	text, err := os.ReadFile("testdata/patterns.txt")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			out.WriteString(line + "\n")
			continue
		}
		pattern, _, _ := strings.Cut(line, "  ->  ")
		re, problem := compile(pattern)
		answer := "refused: " + problem
		if problem == "" {
			var all []string
			for _, v := range values {
				if re.MatchString(v) {
					all = append(all, fmt.Sprintf("%q", v))
				}
			}
			if answer = strings.Join(all, " "); answer == "" {
				answer = "nothing"
			}
		}
		out.WriteString(pattern + "  ->  " + answer + "\n")
	}
	golden.Compare(t, "patterns.txt", out.String())
}

// Literals of each kind, and texts that are not literals of that kind.
func TestLiterals(t *testing.T) {
	moment := func(text string) time.Time {
		m, err := time.Parse(time.RFC3339, text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for text, want := range map[string]time.Time{
		"2026-01-31":                moment("2026-01-31T00:00:00Z"),
		"2026-01-31T10:00":          moment("2026-01-31T10:00:00Z"),
		"2026-01-31T10:00Z":         moment("2026-01-31T10:00:00Z"),
		"2026-01-31T10:00+02:00":    moment("2026-01-31T08:00:00Z"),
		"2026-01-31T10:00:05":       moment("2026-01-31T10:00:05Z"),
		"2026-01-31T10:00:05Z":      moment("2026-01-31T10:00:05Z"),
		"2026-01-31T10:00:05+02:00": moment("2026-01-31T08:00:05Z"),
		"2026-01-31T10:00:05+0200":  moment("2026-01-31T08:00:05Z"),
		"20260131T100005Z":          moment("2026-01-31T10:00:05Z"),
		"2026-02-30":                {}, "2026-13-01": {}, "26-01-31": {}, "2026": {}, "10:00": {}, "": {},
		"2026-01-31T25:00": {}, "2026-01-31 10:00": {}, "now": {},
	} {
		got, ok := parseTime(text)
		if ok != !want.IsZero() || ok && !got.Equal(want) {
			t.Errorf("time %q is %v, %v, want %v", text, got, ok, want)
		}
	}
	for text, want := range map[string][]int{
		"1": {1}, "1.2": {1, 2}, "v1.2.3": {1, 2, 3}, "1.98.0-rc1": {1, 98, 0}, "1.2+build.7": {1, 2}, "0": {0},
		"": nil, "v": nil, "1.": nil, ".1": nil, "1..2": nil, "a": nil, "1.a": nil, "-1": nil, "1.99999999999": nil,
	} {
		if got, ok := parseVersion(text); ok != (want != nil) || !slices.Equal(got, want) {
			t.Errorf("version %q is %v, %v, want %v", text, got, ok, want)
		}
	}
	for text, want := range map[string]struct {
		number  float64
		numeric bool
	}{
		"9": {9, true}, "-3": {-3, true}, "+3": {3, true}, "1.5": {1.5, true}, ".5": {0.5, true}, "1e1": {10, true},
		"": {0, false}, "nine": {0, false}, "NaN": {0, false}, "Inf": {0, false}, "9a": {0, false}, "0x10": {0, false},
	} {
		got := textValue(text)
		if got.text != text || got.numeric != want.numeric || got.numeric && got.number != want.number {
			t.Errorf("text %q is the number %v, %v, want %+v", text, got.number, got.numeric, want)
		}
	}
	for text, ok := range map[string]bool{"true": true, "TRUE": true, "False": true, "yes": false, "1": false,
		"": false} {
		if _, got := kindBool.parse(text); got != ok {
			t.Errorf("%q is true or false: %v", text, got)
		}
	}
	for text, ok := range map[string]bool{"0": true, "-7": true, "+7": true, "1.0": false, "7 ": false, "": false,
		"99999999999999999999": false} {
		if _, got := kindNumber.parse(text); got != ok {
			t.Errorf("%q is a whole number: %v", text, got)
		}
	}
}

// Blanks between tokens have no effect, and keywords and operators that are words may be written in any case.
func TestBlanksAndCase(t *testing.T) {
	text, err := os.ReadFile("testdata/truth.txt")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(text)) {
		expr, _, found := strings.Cut(line, "  ->  ")
		e, err := Parse(expr)
		if !found || err != nil {
			continue
		}
		tokens, ok := cut(expr)
		if !ok {
			continue // a pattern without quotes, which only the parser can recognise
		}
		for _, blank := range []string{"  ", "\t", "\n "} {
			spread, err := Parse(blank + strings.Join(tokens, blank) + blank)
			if err != nil || answers(spread) != answers(e) {
				t.Errorf("%s with %q between its tokens: %v", expr, blank, err)
			}
		}
	}
}

// cut returns the tokens of an expression without patterns, and false for any other expression.
func cut(expr string) (tokens []string, ok bool) {
	if strings.Contains(expr, "~") || strings.Contains(expr, "matches") {
		return nil, false
	}
	lex := lexer{src: expr}
	for {
		tok, err := lex.next()
		if err != nil {
			return nil, false
		}
		if tok.kind == tokEnd {
			return tokens, true
		}
		tokens = append(tokens, expr[tok.pos:lex.pos])
	}
}

// A valid expression that is cut off is refused, with a position that is not after the cut. The positions of
// tokens increase, so none is read twice or skipped.
func TestPositionsPointIntoTheText(t *testing.T) {
	text, err := os.ReadFile("testdata/truth.txt")
	if err != nil {
		t.Fatal(err)
	}
	cuts := 0
	for line := range strings.Lines(string(text)) {
		expr, _, found := strings.Cut(line, "  ->  ")
		if !found {
			continue
		}
		for n := range len(expr) {
			_, err := Parse(expr[:n])
			syntax, refused := errors.AsType[*SyntaxError](err)
			if err == nil {
				continue // a shorter expression may be valid
			}
			if !refused || syntax.Pos < 1 || syntax.Pos > n+1 || syntax.Expected == "" {
				t.Fatalf("%q: %v", expr[:n], err)
			}
			cuts++
		}
		lex, end := lexer{src: expr}, 0
		for {
			tok, err := lex.next()
			if err != nil || tok.kind == tokEnd {
				break
			}
			if tok.pos < end || strings.TrimLeft(expr[end:tok.pos], blank) != "" {
				t.Fatalf("%q: the token %s at %d after %d", expr, tok, tok.pos, end)
			}
			end = lex.pos
		}
	}
	if cuts < 1000 {
		t.Errorf("only %d cuts were refused", cuts)
	}
}
