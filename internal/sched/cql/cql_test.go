package cql

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// box returns the instance that most cases use.
func box() *Subject {
	return &Subject{
		AgentConnected: true, AgentVersion: "1.98.0", EC2InstanceID: "i-abcd1234",
		RegisteredAt: time.Date(2026, 1, 31, 10, 0, 0, 0, time.UTC), RunningTasksCount: 3,
		Attributes: map[string]string{
			"ecs.instance-type": "t2.small", "ecs.availability-zone": "us-east-1a", "stack": "dev", "weight": "9",
			"note": "two words", "ecs.capability.task-eni": "", "odd": "a'b",
		},
		TaskGroups: map[string]int{"service:production": 2, "family:job": 1, "family:gone": 0},
	}
}

// TestMatch: all subjects and operators of the language, with the examples of AWS's guide (ecs.md 2.6).
func TestMatch(t *testing.T) {
	for _, c := range []struct {
		expr string
		want bool
	}{
		// The guide's examples.
		{"attribute:ecs.instance-type == t2.small", true},
		{"attribute:ecs.availability-zone in [us-east-1a, us-east-1b]", true},
		{"attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d", false},
		{"attribute:ecs.instance-type =~ t2.* and attribute:ecs.availability-zone != us-east-1d", true},
		{"task:group == service:production", true},
		{"not(task:group == database)", true},
		{"ec2InstanceId in ['i-abcd1234', 'i-wxyx7890']", true},
		{"attribute:stack != prod", true},
		{"attribute:stack exists", true},
		{"agentVersion >= 1.70.0", true},
		// Spellings.
		{"attribute:stack equals dev", true}, {"attribute:stack not_equals dev", false},
		{"runningTasksCount greater_than 2", true}, {"runningTasksCount greater_than_equal 3", true},
		{"runningTasksCount less_than 3", false}, {"runningTasksCount less_than_equal 3", true},
		{"attribute:stack not_in [prod, dev]", false}, {"attribute:stack !in [prod]", true},
		{"attribute:stack matches d.*", true}, {"attribute:stack not_matches d.*", false},
		{"attribute:stack !~ p.*", true}, {"attribute:gpu !exists", true}, {"attribute:gpu not_exists", true},
		{"attribute:gpu exists", false}, {"attribute:stack==dev&&runningTasksCount<4", true},
		{"attribute:stack==prod||runningTasksCount>=3", true}, {`attribute:stack == "dev"`, true},
		{"attribute:note == 'two words'", true}, {`attribute:odd == "a'b"`, true},
		// An absent attribute matches neither an operator nor its opposite.
		{"attribute:gpu == x", false}, {"attribute:gpu != x", false}, {"attribute:gpu not_in [x]", false},
		{"attribute:gpu !~ x", false}, {"not attribute:gpu == x", true},
		{"attribute:ecs.capability.task-eni exists", true}, {"attribute:ecs.capability.task-eni == ''", true},
		// Numbers, versions, times, booleans.
		{"attribute:weight > 10", false}, {"attribute:weight < 10", true}, {"attribute:weight == 9.0", false},
		{"attribute:stack > abc", true}, {"agentVersion == 1.98", true}, {"agentVersion > 1.9.0", true},
		{"agentVersion < 1.100", true}, {"agentVersion in [1.0, 1.98.0]", true},
		{"agentVersion =~ 1[.]9.*", true}, {"agentVersion == v1.98.0", true},
		{"registeredAt > 2026-01-01", true}, {"registeredAt < 2026-01-31", false},
		{"registeredAt <= 2026-01-31T11:00:00+01:00", true}, {"registeredAt == 2026-01-31T10:00:00Z", true},
		{"registeredAt exists", true}, {"registeredAt in [2026-01-31T10:00]", true},
		{"agentConnected == true", true}, {"agentConnected != true", false},
		{"agentConnected in [false]", false}, {"agentConnected == TRUE", true},
		{"ec2InstanceId exists", true}, {"ec2InstanceId =~ i-[a-d]+1234", true},
		// Groups: == asks for any of them, != for none of them.
		{"task:group == family:job", true}, {"task:group != family:job", false},
		{"task:group != family:x", true}, {"task:group == family:gone", false},
		{"task:group =~ service:.*", true}, {"task:group !~ service:.*", false},
		{"task:group in [a, 'family:job']", true}, {"task:group exists", true},
		// Precedence: not, then and, then or.
		{"attribute:stack == dev or attribute:stack == x and attribute:stack == y", true},
		{"(attribute:stack == dev or attribute:stack == x) and attribute:stack == y", false},
		{"not attribute:stack == x and attribute:stack == dev", true}, {
			"!(attribute:stack == x or attribute:stack == dev)", false,
		}, {"not not attribute:stack == dev", true}, {"! attribute:stack == dev", false},
		{"NOT attribute:stack == dev OR attribute:stack == dev", true},
		// A pattern must match the whole value.
		{"attribute:ecs.instance-type =~ t2", false}, {"attribute:ecs.instance-type =~ 2.small", false},
		{"attribute:ecs.instance-type =~ a|t2.small", true}, {"attribute:ecs.instance-type =~ t2|a", false},
		{"attribute:ecs.instance-type =~ '(t2|t3)[.]small'", true}, {
			`attribute:ecs.instance-type =~ \Qt2.\Esmall`, true,
		}, {"attribute:ecs.instance-type =~ t[0-9].s[^]x]all", true},
		{"(attribute:ecs.instance-type =~ t2.*)", true},
	} {
		e, err := Parse(c.expr)
		if err != nil {
			t.Errorf("%s: %v", c.expr, err)
			continue
		}
		if got := e.Match(box()); got != c.want {
			t.Errorf("%s: got %v", c.expr, got)
		}
		if e.String() != c.expr {
			t.Errorf("String() is %q, not %q", e, c.expr)
		}
	}
}

// TestBareInstance: properties that an instance does not have, such as the EC2 id of an EXTERNAL one, are
// absent.
func TestBareInstance(t *testing.T) {
	for expr, want := range map[string]bool{
		"ec2InstanceId exists": false, "ec2InstanceId != i-1": false, "agentVersion >= 0": false,
		"agentVersion !exists": true, "registeredAt < 2030-01-01": false, "runningTasksCount == 0": true,
		"agentConnected == false": true, "task:group exists": false, "task:group != x": true,
		"task:group not_in [x]": true, "task:group == x": false,
		"attribute:task:group != x": false,
	} {
		e, err := Parse(expr)
		if err != nil {
			t.Fatal(err)
		}
		if got := e.Match(&Subject{}); got != want {
			t.Errorf("%s: got %v", expr, got)
		}
	}
	if (&Expr{}).Match(box()) {
		t.Error("the zero expression matches")
	}
}

// TestErrors: every error has the position, and what would be correct there.
func TestErrors(t *testing.T) {
	for _, c := range []struct {
		expr string
		pos  int
		want string // part of the message
	}{
		{"", 1, "expected a subject, 'not' or '(', found the end"},
		{"attribute:a", 12, "expected an operator (==, !=,"},
		{"attribute: == b", 1, "expected a subject (agentConnected"},
		{"instanceType == t2", 1, "expected a subject (agentConnected"},
		{"'attribute:a' == b", 1, "expected a subject"},
		{"attribute:a = b", 13, `found "="`},
		{"attribute:a == ", 16, "expected a literal (text"},
		{"attribute:a == b c", 18, "'and', 'or' or the end"},
		{"attribute:a == b and", 21, "expected a subject, 'not' or '('"},
		{"attribute:a == 'b", 16, "a closing '"},
		{"attribute:a in b", 16, "'[' and a list"},
		{"attribute:a in []", 17, "expected a literal"},
		{"attribute:a in [b c]", 19, "',' or ']'"},
		{"attribute:a in [b,", 19, "expected a literal"},
		{"attribute:a !maybe b", 13, "expected an operator"},
		{"attribute:a ! == b", 13, "expected an operator"},
		{"(attribute:a == b", 18, "'and', 'or' or ')'"},
		{"attribute:a == b)", 17, "the end of the expression"},
		{"attribute:a == (b)", 16, "expected a literal"},
		{"runningTasksCount > many", 21, "a whole number"},
		{"runningTasksCount =~ 1.*", 19, "a comparison"},
		{"agentConnected == yes", 19, "true or false"},
		{"agentConnected > false", 16, "==, !=, in, not_in or exists"},
		{"agentVersion > new", 16, "a version such as"},
		{"registeredAt > yesterday", 16, "a date such as"},
		{"attribute:a & b", 13, `found "&"`},
		{"attribute:a == ü~", 18, `found "~"`},
		{"attribute:a =~", 15, "expected a pattern"},
		{"attribute:a =~ (x|y)", 16, "in quotes"},
		{"attribute:a =~ x(y)", 17, "in quotes"},
		{"attribute:a =~ 'x('", 16, "missing closing )"},
		{"attribute:a =~ 'x(?=y)'", 16, "invalid or unsupported Perl syntax"},
		{"attribute:a =~ x++", 16, "invalid nested repetition operator"},
		{`attribute:a =~ '(a)\1'`, 16, "back-references are not supported"},
		{"attribute:a =~ [a[bc]]", 16, "nested character classes"},
		{"attribute:a =~ [a-z&&[^b]]", 16, "intersections"},
		{"attribute:a =~ []&&]", 16, "intersections"},
		{"attribute:a =~ [^]&&]", 16, "intersections"},
		{"attribute:a =~ 'b)|(c'", 16, "unexpected )"},
		{strings.Repeat("x", MaxLength+1), MaxLength + 1, "at most 2000 characters, found 2001"},
	} {
		_, err := Parse(c.expr)
		syntax, ok := errors.AsType[*SyntaxError](err)
		if !ok {
			t.Errorf("%.40s: %v", c.expr, err)
			continue
		}
		if syntax.Pos != c.pos || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%.40s: %v\n\twant position %d and %q", c.expr, err, c.pos, c.want)
		}
	}
}

// TestLongExpressionIsAllowed: the limit counts characters and not bytes (ecs.md 1.4.20).
func TestLongExpressionIsAllowed(t *testing.T) {
	expr := "attribute:a == '" + strings.Repeat("ü", MaxLength-17) + "'"
	if _, err := Parse(expr); err != nil {
		t.Error(err)
	}
	if _, err := Parse(expr + " "); err == nil {
		t.Error("2001 characters were accepted")
	}
	if _, err := Parse(strings.Repeat("(", MaxLength)); err == nil {
		t.Error("parentheses that are not closed were accepted")
	}
}

// TestBooleanLaws: random expressions obey the laws of their operators.
func TestBooleanLaws(t *testing.T) {
	simple := []string{
		"attribute:stack == dev", "attribute:stack in [a, b]", "runningTasksCount < 3",
		"task:group =~ service:.*", "agentConnected == true", "attribute:gpu exists", "agentVersion > 1.98",
		"registeredAt >= 2026-01-31",
	}
	rapid.Check(t, func(t *rapid.T) {
		part := rapid.SampledFrom(simple)
		a, b, c := part.Draw(t, "a"), part.Draw(t, "b"), part.Draw(t, "c")
		s := subjectGen(t)
		is := func(format string, args ...any) bool { return parsed(t, format, args...).Match(s) }
		x, y, z := is("%s", a), is("%s", b), is("%s", c)
		for _, law := range []struct {
			expr string
			want bool
		}{
			{fmt.Sprintf("%s or %s and %s", a, b, c), x || y && z},
			{fmt.Sprintf("(%s or %s) and %s", a, b, c), (x || y) && z},
			{fmt.Sprintf("not (%s && %s)", a, b), !(x && y)},
			{fmt.Sprintf("!%s || !%s", a, b), !x || !y},
			{fmt.Sprintf("not not %s", a), x},
		} {
			if is("%s", law.expr) != law.want {
				t.Fatalf("%s is not %v of %+v", law.expr, law.want, s)
			}
		}
	})
}

func subjectGen(t *rapid.T) *Subject {
	s := &Subject{
		AgentConnected:    rapid.Bool().Draw(t, "connected"),
		AgentVersion:      rapid.SampledFrom([]string{"", "1.0", "1.98.0", "1.98.1", "2"}).Draw(t, "version"),
		RunningTasksCount: rapid.IntRange(0, 5).Draw(t, "running"),
		Attributes:        map[string]string{}, TaskGroups: map[string]int{},
	}
	if rapid.Bool().Draw(t, "has stack") {
		s.Attributes["stack"] = rapid.SampledFrom([]string{"a", "dev", "prod"}).Draw(t, "stack")
	}
	if rapid.Bool().Draw(t, "has group") {
		s.TaskGroups[rapid.SampledFrom([]string{"service:a", "family:b"}).Draw(t, "group")] = 1
	}
	return s
}

// TestComparisonsAgree: the six comparisons of a number give the results of those of Go integers. Two
// opposite operators never both match a subject that is present.
func TestComparisonsAgree(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n, m := rapid.IntRange(0, 9).Draw(t, "n"), rapid.IntRange(0, 9).Draw(t, "m")
		s := &Subject{RunningTasksCount: n, Attributes: map[string]string{"n": fmt.Sprint(n)}}
		for op, want := range map[string]bool{
			"==": n == m, "!=": n != m, "<": n < m, "<=": n <= m, ">": n > m, ">=": n >= m,
		} {
			for _, subject := range []string{"runningTasksCount", "attribute:n"} {
				if e := parsed(t, "%s %s %d", subject, op, m); e.Match(s) != want {
					t.Fatalf("%s of %d is not %v", e, n, want)
				}
			}
		}
	})
}

// FuzzParse: no input makes the parser panic, or an expression that it accepts. The position of an error is
// within the input.
func FuzzParse(f *testing.F) {
	for _, s := range []string{
		"attribute:ecs.instance-type =~ g2.* and attribute:ecs.availability-zone != us-east-1d",
		"not(task:group == db)", "ec2InstanceId in ['i-1', \"i-2\"]",
		"agentVersion >= 1.0 || !agentConnected == true", "registeredAt < 2026-01-01T00:00:00Z",
		"runningTasksCount !in [1,2]", "attribute:a =~ [x&&y]\\Q", "attribute:a !exists", "((((",
		"attribute:a =~ \\", "attribute:a =~ '[]'",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, src string) {
		e, err := Parse(src)
		if err != nil {
			syntax, ok := errors.AsType[*SyntaxError](err)
			if !ok || syntax.Pos < 1 || syntax.Pos > max(len(src), MaxLength)+1 || syntax.Expected == "" ||
				syntax.Found == "" {
				t.Fatalf("%q: error %#v", src, err)
			}
			return
		}
		once := e.Match(box())
		e.Match(&Subject{})
		negated, err := Parse("not (" + src + ")")
		if err != nil {
			if len([]rune(src))+6 > MaxLength {
				return
			}
			t.Fatalf("%q is accepted but not negated: %v", src, err)
		}
		if negated.Match(box()) == once {
			t.Fatalf("%q and its negation agree", src)
		}
	})
}

// BenchmarkMatch evaluates the guide's longest example.
func BenchmarkMatch(b *testing.B) {
	e, err := Parse("attribute:ecs.instance-type =~ t2.* and attribute:ecs.availability-zone != us-east-1d")
	if err != nil {
		b.Fatal(err)
	}
	s := box()
	b.ReportAllocs()
	for b.Loop() {
		e.Match(s)
	}
}
