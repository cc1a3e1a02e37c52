package cql

import (
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// parsed formats an expression as fmt.Sprintf does, and parses it.
func parsed(t *rapid.T, format string, args ...any) *Expr {
	t.Helper()
	text := fmt.Sprintf(format, args...)
	e, err := Parse(text)
	if err != nil {
		t.Fatalf("%s: %v", text, err)
	}
	return e
}

// drawSubject draws an instance with several task groups and attributes, some of them without a value.
func drawSubject(t *rapid.T) *Subject {
	s := subjectGen(t)
	if rapid.Bool().Draw(t, "registered") {
		s.RegisteredAt = time.Date(2026, 1, rapid.IntRange(1, 4).Draw(t, "day"), 0, 0, 0, 0, time.UTC)
	}
	for _, g := range []string{"a", "b", "c"} {
		s.TaskGroups[g] = rapid.IntRange(0, 2).Draw(t, "tasks")
		if rapid.Bool().Draw(t, "has") {
			s.Attributes[g] = rapid.SampledFrom([]string{"", "1", "2", "10", "x"}).Draw(t, "value")
		}
	}
	return s
}

// TestGroupsAreASet: task:group matches if any group with tasks does, and a negated operator if none does,
// for every operator and any number of groups (ecs.md 2.6).
func TestGroupsAreASet(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := drawSubject(t)
		var running []string
		for g, n := range s.TaskGroups {
			if n > 0 {
				running = append(running, g)
			}
		}
		x := rapid.SampledFrom([]string{"a", "b", "c", "d"}).Draw(t, "x")
		y := rapid.SampledFrom([]string{"a", "c"}).Draw(t, "y")
		some := func(is func(string) bool) bool { return slices.ContainsFunc(running, is) }
		equal := some(func(g string) bool { return g == x })
		either := some(func(g string) bool { return g == x || g == y })
		like := some(func(g string) bool { return len(g) == 1 && g <= x })
		for text, want := range map[string]bool{
			"== " + x: equal, "!= " + x: !equal, "in [" + x + "," + y + "]": either,
			"not_in [" + x + "," + y + "]": !either,
			"=~ [a-" + x + "]":             like, "!~ [a-" + x + "]": !like, "exists": len(running) > 0,
			"!exists": len(running) == 0,
			"> " + x:  some(func(g string) bool { return g > x }),
			"<= " + x: some(func(g string) bool { return g <= x }),
		} {
			if parsed(t, "task:group %s", text).Match(s) != want {
				t.Fatalf("task:group %s is not %v of %v", text, want, running)
			}
		}
	})
}

// laws are pairs of expressions with the same meaning for every subject, whether or not the instance has it.
// %[1]s is the subject; %[2]s and %[3]s are literals of its kind.
var laws = []struct{ one, other string }{
	{"%[1]s != %[2]s", "%[1]s exists and not %[1]s == %[2]s"},
	{"%[1]s in [%[2]s]", "%[1]s == %[2]s"},
	{"%[1]s in [%[2]s, %[3]s]", "%[1]s == %[2]s or %[1]s == %[3]s"},
	{"%[1]s not_in [%[2]s, %[3]s]", "%[1]s != %[2]s and %[1]s != %[3]s"},
	{"%[1]s !exists", "not %[1]s exists"},
	{"%[1]s in [%[2]s, %[3]s]", "%[1]s in [%[3]s, %[2]s, %[2]s]"},
	{"%[1]s == %[2]s or %[1]s != %[2]s", "%[1]s exists"},
}

// orderLaws are such pairs for subjects with ordered values.
var orderLaws = []struct{ one, other string }{
	{"%[1]s >= %[2]s", "%[1]s exists and not %[1]s < %[2]s"},
	{"%[1]s > %[2]s", "%[1]s exists and not %[1]s <= %[2]s"},
	{"%[1]s > %[2]s or %[1]s < %[2]s", "%[1]s exists and not (%[1]s >= %[2]s and %[1]s <= %[2]s)"},
	{"%[1]s == %[2]s and %[1]s > %[3]s", "%[1]s == %[2]s and not %[1]s <= %[3]s"},
}

// TestLawsOfOperators: the laws hold for every subject except task:group, since an instance may have several
// groups.
func TestLawsOfOperators(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		subject := rapid.SampledFrom([]struct {
			name     string
			literals []string
			ordered  bool
		}{
			{"attribute:a", []string{"''", "1", "'2'", "10", "x"}, true},
			{"agentVersion", []string{"1.0", "1", "1.98.0", "2.0.0"}, true},
			{"registeredAt", []string{"2026-01-01", "2026-01-02T00:00:00Z", "'2026-01-03'"}, true},
			{"runningTasksCount", []string{"0", "2", "'5'", "-1"}, true},
			{"agentConnected", []string{"true", "false", "'TRUE'"}, false},
		}).Draw(t, "subject")
		literal := rapid.SampledFrom(subject.literals)
		a, b, s := literal.Draw(t, "a"), literal.Draw(t, "b"), drawSubject(t)
		all := laws
		if subject.ordered {
			all = slices.Concat(laws, orderLaws)
		}
		for _, law := range all {
			args := []any{subject.name, a, b}
			one, other := parsed(t, law.one+"%.0[3]s", args...), parsed(t, law.other+"%.0[2]s%.0[3]s", args...)
			if one.Match(s) != other.Match(s) {
				t.Fatalf("%q is %v, %q is %v of %+v", one, one.Match(s), other, other.Match(s), s)
			}
		}
	})
}

// TestOthersDoNotMatter: attributes and groups that are not in an expression do not change its result.
func TestOthersDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m := expressionModel(t, 2)
		e := parsed(t, "%s", m.text)
		s := drawSubject(t)
		before := e.Match(s)
		s.Attributes["stacks"], s.Attributes["Stack"], s.Attributes["family:b"] = "prod", "dev", "x"
		s.TaskGroups["family:other"], s.TaskGroups["service:a "] = 0, 0
		if e.Match(s) != before {
			t.Fatalf("%s is %v and then %v", e, before, !before)
		}
	})
}

// words draws the tokens of an expression. Some literals are in quotes.
func words(t *rapid.T) []string {
	simple := rapid.SampledFrom([][]string{
		{"attribute:stack", "==", "dev"}, {"attribute:stack", "!=", "'two words'"}, {"attribute:gpu", "exists"},
		{"attribute:stack", "! exists"}, {"task:group", "in", "[", "a", ",", "\"b\"", "]"},
		{"agentConnected", "==", "true"},
		{"runningTasksCount", ">=", "3"}, {"agentVersion", "less_than", "2.0"}, {"attribute:stack", "=~", "d.*"},
		{"registeredAt", "<", "2026-01-02"}, {"ec2InstanceId", "not_in", "[", "i-1", "]"},
	})
	var out []string
	open := 0
	for k := range rapid.IntRange(1, 4).Draw(t, "parts") {
		if k > 0 {
			out = append(out, rapid.SampledFrom([]string{"and", "or", "&&", "||", "AND"}).Draw(t, "join"))
		}
		for range rapid.IntRange(0, 2).Draw(t, "before") {
			if word := rapid.SampledFrom([]string{"not", "!", "("}).Draw(t, "prefix"); word == "(" {
				open++
				out = append(out, word)
			} else {
				out = append(out, word)
			}
		}
		out = append(out, simple.Draw(t, "simple")...)
		if open > 0 && rapid.Bool().Draw(t, "close") {
			out, open = append(out, ")"), open-1
		}
	}
	return append(out, slices.Repeat([]string{")"}, open)...)
}

// TestBlanksDoNotMatter: any blanks between tokens have no effect.
func TestBlanksDoNotMatter(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := words(t)
		e := parsed(t, "%s", strings.Join(list, " "))
		wide := strings.Repeat("\t", rapid.IntRange(0, 2).Draw(t, "first"))
		for _, word := range list {
			wide += word + rapid.SampledFrom([]string{" ", "  ", "\n", "\r\n", " \t"}).Draw(t, "blank")
		}
		if s := drawSubject(t); parsed(t, "%s", wide).Match(s) != e.Match(s) {
			t.Fatalf("%q is not %q", wide, e)
		}
	})
}

// TestWhereAnErrorIs: the error of an incomplete expression is at its end. The error of an expression with an
// extra word is at that word.
func TestWhereAnErrorIs(t *testing.T) {
	at := func(text string) int {
		_, err := Parse(text)
		if fault, ok := errors.AsType[*SyntaxError](err); ok {
			return fault.Pos
		}
		return 0
	}
	rapid.Check(t, func(t *rapid.T) {
		list := words(t)
		k := rapid.IntRange(0, len(list)).Draw(t, "k")
		short := strings.Join(list[:k], " ")
		if pos := at(short); pos != 0 && pos != len(short)+1 {
			t.Fatalf("%q is wrong at %d, want the end, %d", short, pos, len(short)+1)
		}
		unfinished := []string{"and", "or", "&&", "||", "AND", "not", "!", "(", "[", ","}
		if k > 0 && k < len(list) && slices.Contains(unfinished, list[k-1]) && at(short) == 0 {
			t.Fatalf("%q is accepted", short)
		}
		whole := strings.Join(list, " ")
		for _, more := range []string{"dev", "'x'", "]", ")", "not", "exists", "=="} {
			if pos := at(whole + " " + more); pos != len(whole)+2 {
				t.Fatalf("%q %s is wrong at %d, want %d", whole, more, pos, len(whole)+2)
			}
		}
	})
}

// TestPatternsMatchWhole: a pattern matches a value only as a whole, and so does each of its alternatives.
func TestPatternsMatchWhole(t *testing.T) {
	letters := rapid.SampledFrom([]string{"a", "b", ".", "[ab]", "[^a]", "a?", "b*", ".*"})
	rapid.Check(t, func(t *rapid.T) {
		parts := rapid.SliceOfN(letters, 0, 4).Draw(t, "parts")
		others := rapid.SliceOfN(letters, 0, 3).Draw(t, "others")
		value := rapid.StringOfN(rapid.RuneFrom([]rune("abc")), 0, 5, -1).Draw(t, "value")
		pattern, want := strings.Join(parts, ""), wholly(parts, value)
		if rapid.Bool().Draw(t, "alternative") {
			pattern, want = pattern+"|"+strings.Join(others, ""), want || wholly(others, value)
		}
		s := &Subject{Attributes: map[string]string{"a": value}}
		if got := parsed(t, "attribute:a =~ '%s'", pattern).Match(s); got != want {
			t.Fatalf("%q matches %q: %v, want %v", pattern, value, got, want)
		}
		if got := parsed(t, "attribute:a !~ '%s'", pattern).Match(s); got == want {
			t.Fatalf("%q does not match %q: %v, want %v", pattern, value, got, !want)
		}
	})
}

// wholly matches the parts of a pattern one after the other, and tries every way to divide the text.
func wholly(parts []string, s string) bool {
	if len(parts) == 0 {
		return s == ""
	}
	one := func() bool {
		switch parts[0][0] {
		case '[':
			return s != "" && (parts[0] == "[ab]" && s[0] != 'c' || parts[0] == "[^a]" && s[0] != 'a')
		case '.':
			return s != ""
		}
		return s != "" && s[0] == parts[0][0]
	}
	switch parts[0][len(parts[0])-1] {
	case '?':
		return wholly(parts[1:], s) || one() && wholly(parts[1:], s[1:])
	case '*':
		return wholly(parts[1:], s) || one() && wholly(parts, s[1:])
	}
	return one() && wholly(parts[1:], s[1:])
}

// FuzzPattern: an accepted pattern matches whole values only. A text between \Q and \E, or with its special
// characters escaped, matches only itself.
func FuzzPattern(f *testing.F) {
	for _, s := range []string{"a|b", "t2.*", `\Qa.b`, "[^]x]", "(?i)A", `a\`, "()", "^$", "a{2}", `\pL+`, `[\]]`,
		"x**", "(?U)a+"} {
		f.Add(s, "a.b")
	}
	f.Fuzz(func(t *testing.T, pattern, value string) {
		if re, problem := compile(pattern); problem == "" {
			loc := re.FindStringIndex(value)
			if loc != nil && (loc[0] != 0 || loc[1] != len(value)) {
				t.Errorf("%q matches %d to %d of %q", pattern, loc[0], loc[1], value)
			}
			if alone := regexp.MustCompile(pattern); loc != nil && !alone.MatchString(value) {
				t.Errorf("%q matches %q as a whole, but finds no match in it", pattern, value)
			}
		}
		for _, literal := range []string{regexp.QuoteMeta(value), `\Q` + value + `\E`, `\Q` + value} {
			re, problem := compile(literal)
			if problem != "" && strings.ToValidUTF8(value, "") == value && !strings.Contains(value, `\`) {
				t.Fatalf("%q is refused: %s", literal, problem)
			}
			if problem == "" && !strings.Contains(value, `\`) && (!re.MatchString(value) || re.MatchString(value+"x")) {
				t.Errorf("%q matches more than %q, or not even that", literal, value)
			}
		}
	})
}

// TestTimesAreMoments: registeredAt is compared as a point in time, in whatever form it is written. A date
// means midnight UTC, and a time without a zone is in UTC (ecs.md 2.6).
func TestTimesAreMoments(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		base := time.Date(2026, 1, 31, 0, 0, 0, 0, time.UTC)
		minutes := rapid.IntRange(-2000, 2000)
		at := base.Add(time.Duration(minutes.Draw(t, "at")) * time.Minute)
		than := base.Add(time.Duration(minutes.Draw(t, "than")) * time.Minute)
		zone := time.FixedZone("", 1800*rapid.IntRange(-20, 20).Draw(t, "zone"))
		texts := []string{than.Format("2006-01-02T15:04"), than.Format("2006-01-02T15:04:05"),
			than.Format(time.RFC3339),
			than.In(zone).Format(time.RFC3339), than.In(zone).Format("2006-01-02T15:04:05-0700"),
			than.In(zone).Format("2006-01-02T15:04Z07:00"), than.In(zone).Format("20060102T150405-0700")}
		if than.Equal(than.Truncate(24 * time.Hour)) {
			texts = append(texts, than.Format(time.DateOnly))
		}
		s := &Subject{RegisteredAt: at}
		for _, text := range texts {
			for op, want := range map[string]bool{"==": at.Equal(than), "!=": !at.Equal(than), "<": at.Before(than),
				"<=": !at.After(than), ">": at.After(than), ">=": !at.Before(than)} {
				if parsed(t, "registeredAt %s %s", op, text).Match(s) != want {
					t.Fatalf("%s %s %s is not %v", at, op, text, want)
				}
			}
		}
	})
}

// TestVersionsEqualNaive: versions are compared number by number. A missing number is 0. A leading v, and all
// from a dash or a plus on, are ignored.
func TestVersionsEqualNaive(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		numbers := rapid.SliceOfN(rapid.IntRange(0, 12), 1, 4)
		text := func(list []int) string {
			s := strings.Trim(strings.ReplaceAll(fmt.Sprint(list), " ", "."), "[]")
			return rapid.SampledFrom([]string{"", "v"}).Draw(t, "v") + s +
				rapid.SampledFrom([]string{"", "-rc1", "+build.7", ".0", ".0.0-dev"}).Draw(t, "suffix")
		}
		a, b := numbers.Draw(t, "a"), numbers.Draw(t, "b")
		s := &Subject{AgentVersion: text(a)}
		for len(a) < 4 {
			a = append(a, 0)
		}
		order := slices.Compare(a, append(slices.Clone(b), make([]int, 4-len(b))...))
		literal := text(b)
		for op, want := range map[string]bool{"==": order == 0, "!=": order != 0, "<": order < 0, ">=": order >= 0} {
			if parsed(t, "agentVersion %s '%s'", op, literal).Match(s) != want {
				t.Fatalf("%s %s %s is not %v", s.AgentVersion, op, literal, want)
			}
		}
	})
}
