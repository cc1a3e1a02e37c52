package scaling

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// drawRule draws a rule as text, with its meaning. The text has parentheses where AND and OR need them and
// sometimes elsewhere, keywords in any case, and names in all their valid forms.
func drawRule(t *rapid.T, depth int) (text string, holds func(map[string]State) bool, names []string) {
	space := rapid.SampledFrom([]string{" ", "  ", "\n", "\t "})
	word := func(w string) string {
		return rapid.SampledFrom([]string{w, strings.ToLower(w), w[:1] + strings.ToLower(w[1:])}).Draw(t, w)
	}
	kind := rapid.IntRange(0, 5).Draw(t, "kind")
	if depth == 0 {
		kind = rapid.IntRange(0, 1).Draw(t, "leaf")
	}
	switch kind {
	case 0:
		value := rapid.Bool().Draw(t, "value")
		return word(strings.ToUpper(fmt.Sprint(value))), func(map[string]State) bool { return value }, nil
	case 1, 2:
		name := rapid.SampledFrom([]string{"a", "b", "cpu high", `q"uote`, `back\slash`, "(x)", "AND"}).Draw(t, "name")
		state := rapid.SampledFrom([]State{OK, InAlarm, InsufficientData}).Draw(t, "state")
		return word(string(state)) + "(" + drawName(t, name) + ")",
			func(all map[string]State) bool { return all[name] == state }, []string{name}
	case 3:
		text, part, names := drawRule(t, depth-1)
		return word("NOT") + space.Draw(t, "space") + "(" + text + ")",
			func(all map[string]State) bool { return !part(all) }, names
	}
	op := "AND"
	if kind == 5 {
		op = "OR"
	}
	left, isLeft, names := drawRule(t, depth-1)
	right, isRight, more := drawRule(t, depth-1)
	holds = func(all map[string]State) bool { return isLeft(all) && isRight(all) }
	if op == "OR" {
		holds = func(all map[string]State) bool { return isLeft(all) || isRight(all) }
	}
	if op == "AND" || rapid.Bool().Draw(t, "parentheses") { // an OR on either side needs them
		left, right = "("+left+")", "( "+right+" )"
	}
	text = left + space.Draw(t, "space") + word(op) + space.Draw(t, "space") + right
	return text, holds, append(slices.Clone(names), more...)
}

// drawName returns a written form of an alarm's name: quoted, without quotes where that is possible, or as
// the end of an ARN.
func drawName(t *rapid.T, name string) string {
	arn := "arn:aws:cloudwatch:eu-west-1:123456789012:alarm:" + name
	if rapid.Bool().Draw(t, "by ARN") {
		name = arn
	}
	if !strings.ContainsAny(name, `" \()`) && rapid.Bool().Draw(t, "bare") {
		return name
	}
	return `"` + strings.NewReplacer(`"`, `\"`, `\`, `\\`).Replace(name) + `"`
}

// A rule that is written from a meaning is parsed with that meaning: it is true for the same states, and
// names the same alarms in the same order. AND binds more tightly than OR, and NOT more tightly than both.
func TestRulesMeanWhatTheySay(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text, holds, names := drawRule(t, 3)
		r, err := ParseRule(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		states := map[string]State{}
		for _, name := range []string{"a", "b", "cpu high", `q"uote`, `back\slash`, "(x)", "AND"} {
			states[name] = rapid.SampledFrom([]State{OK, InAlarm, InsufficientData}).Draw(t, name+" is")
		}
		if got := r.Holds(func(name string) State { return states[name] }); got != holds(states) {
			t.Fatalf("%s with %v: %v", text, states, got)
		}
		var once []string
		for _, name := range names {
			if !slices.Contains(once, name) {
				once = append(once, name)
			}
		}
		if got := r.Alarms(); !slices.Equal(got, once) {
			t.Fatalf("%s names %q, want %q", text, got, once)
		}
	})
	for text, want := range map[string]bool{
		"TRUE OR TRUE AND FALSE": true, "FALSE AND FALSE OR TRUE": true, "NOT TRUE OR TRUE": true,
		"NOT FALSE AND FALSE": false,
	} {
		r, err := ParseRule(text)
		if err != nil || r.Holds(func(string) State { return OK }) != want {
			t.Errorf("%s: want %v, %v", text, want, err)
		}
	}
}

// field is a field of a cron expression, with the values that it allows.
type field struct {
	text   string
	allows func(n int) bool
}

// drawField draws a list of numbers, ranges and steps between two bounds.
func drawField(t *rapid.T, name string, first, last int) field {
	number := rapid.IntRange(first, last)
	var items []string
	var all []func(int) bool
	for range rapid.IntRange(1, 2).Draw(t, name+" items") {
		low := number.Draw(t, name)
		high := rapid.IntRange(low, last).Draw(t, name+" to")
		step := rapid.IntRange(1, 7).Draw(t, name+" step")
		switch rapid.IntRange(0, 5).Draw(t, name+" kind") {
		case 0:
			return field{"*", func(int) bool { return true }}
		case 1:
			items = append(items, fmt.Sprint(low))
			all = append(all, func(n int) bool { return n == low })
		case 2:
			items = append(items, fmt.Sprintf("%d-%d", low, high))
			all = append(all, func(n int) bool { return low <= n && n <= high })
		case 3:
			items = append(items, fmt.Sprintf("%d/%d", low, step))
			all = append(all, func(n int) bool { return n >= low && (n-low)%step == 0 })
		case 4:
			items = append(items, fmt.Sprintf("%d-%d/%d", low, high, step))
			all = append(all, func(n int) bool { return low <= n && n <= high && (n-low)%step == 0 })
		case 5:
			items = append(items, fmt.Sprintf("*/%d", step))
			all = append(all, func(n int) bool { return (n-first)%step == 0 })
		}
	}
	return field{strings.Join(items, ","), func(n int) bool {
		return slices.ContainsFunc(all, func(allows func(int) bool) bool { return allows(n) })
	}}
}

// drawDays draws the day-of-month and day-of-week fields of an expression. One of them is a question mark.
func drawDays(t *rapid.T) (day, weekday string, allows func(time.Time) bool) {
	lastDay := func(d time.Time) int {
		return time.Date(d.Year(), d.Month()+1, 0, 0, 0, 0, 0, time.UTC).Day()
	}
	n := rapid.IntRange(1, 7).Draw(t, "weekday")
	named := rapid.SampledFrom([]string{fmt.Sprint(n), dayNames[n-1], strings.ToLower(dayNames[n-1])}).Draw(t, "named")
	switch rapid.IntRange(0, 5).Draw(t, "days") {
	case 0:
		f := drawField(t, "day", 1, 31)
		return f.text, "?", func(d time.Time) bool { return f.allows(d.Day()) }
	case 1:
		return "L", "?", func(d time.Time) bool { return d.Day() == lastDay(d) }
	case 2: // the day from Monday to Friday that is nearest to a day of the month
		near := rapid.IntRange(1, 31).Draw(t, "near")
		return fmt.Sprint(near, "W"), "?", func(d time.Time) bool {
			return d.Day() == workdayNear(d, min(near, lastDay(d)))
		}
	case 3: // the last such weekday of the month
		return "?", named + "L", func(d time.Time) bool {
			return int(d.Weekday())+1 == n && d.AddDate(0, 0, 7).Month() != d.Month()
		}
	case 4: // the kth such weekday of the month
		k := rapid.IntRange(1, 5).Draw(t, "kth")
		return "?", fmt.Sprint(named, "#", k), func(d time.Time) bool {
			return int(d.Weekday())+1 == n && (d.Day()-1)/7 == k-1
		}
	}
	f := drawField(t, "day of the week", 1, 7)
	return "?", f.text, func(d time.Time) bool { return f.allows(int(d.Weekday()) + 1) }
}

// workdayNear returns the day from Monday to Friday, in the same month, that is nearest to a day.
func workdayNear(month time.Time, day int) int {
	for distance := range 4 {
		for _, d := range []int{day - distance, day + distance} {
			at := time.Date(month.Year(), month.Month(), d, 0, 0, 0, 0, time.UTC)
			if at.Month() == month.Month() && at.Weekday() != time.Saturday && at.Weekday() != time.Sunday {
				return d
			}
		}
	}
	return 0
}

// The next time of a cron expression is the first later minute that all its fields allow.
func TestCronEqualsAWalkOverMinutes(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		minutes, hours := drawField(t, "minute", 0, 59), drawField(t, "hour", 0, 23)
		months := drawField(t, "month", 1, 12)
		day, weekday, allowsDay := drawDays(t)
		text := fmt.Sprintf("cron(%s %s %s %s %s *)", minutes.text, hours.text, day, months.text, weekday)
		s, err := ParseSchedule(text, time.UTC)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		after := at0.Add(time.Duration(rapid.IntRange(0, 4*365*24*3600).Draw(t, "after")) * time.Second)
		got := s.Next(after, at0)
		allows := func(at time.Time) bool {
			return minutes.allows(at.Minute()) && hours.allows(at.Hour()) && months.allows(int(at.Month())) &&
				allowsDay(at)
		}
		at := after.Truncate(time.Minute).Add(time.Minute)
		for end := after.AddDate(0, 3, 0); at.Before(end) && !allows(at); { // days that are not allowed at once
			if !months.allows(int(at.Month())) || !allowsDay(at) {
				at = at.Truncate(24*time.Hour).AddDate(0, 0, 1)
				continue
			}
			at = at.Add(time.Minute)
		}
		if allows(at) && !got.Equal(at) {
			t.Fatalf("%s after %v: %v, want %v", text, after, got, at)
		}
		if !allows(at) && !got.IsZero() && (got.Before(at) || !allows(got)) {
			t.Fatalf("%s after %v: %v", text, after, got)
		}
	})
}

// In a time zone with summer time, a daily schedule is due once on each day, also when the clock changes. It
// is due at the same local time unless the clock skips that time.
func TestOnceADayThroughSummerTime(t *testing.T) {
	for name, skipped := range map[string]time.Time{
		"Europe/Paris":        time.Date(2026, 3, 29, 2, 0, 0, 0, time.UTC),
		"America/New_York":    time.Date(2026, 3, 8, 2, 0, 0, 0, time.UTC),
		"Australia/Lord_Howe": time.Date(2026, 10, 4, 2, 0, 0, 0, time.UTC), // by half an hour
	} {
		zone, err := time.LoadLocation(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, clock := range []string{"0 0", "15 1", "15 2", "45 2", "59 23"} {
			var minute, hour int
			fmt.Sscan(clock, &minute, &hour)
			s, err := ParseSchedule("cron("+clock+" * * ? *)", zone)
			if err != nil {
				t.Fatal(err)
			}
			at := time.Date(2026, 1, 1, 0, 0, 0, -1, zone)
			for day := range 364 {
				at = s.Next(at, at0)
				want := time.Date(2026, 1, 1+day, 0, 0, 0, 0, time.UTC)
				moved := want.Month() == skipped.Month() && want.Day() == skipped.Day() && hour == 2
				if at.YearDay() != want.YearDay() || !moved && (at.Hour() != hour || at.Minute() != minute) {
					t.Fatalf("%s in %s on day %d: %v", clock, name, day+1, at)
				}
			}
		}
	}
}

// A rate is due at whole multiples of its interval after its start. Next returns the first of these times
// after a given time.
func TestRates(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		unit := rapid.SampledFrom([]string{"minute", "hour", "day"}).Draw(t, "unit")
		each := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[unit]
		n := rapid.IntRange(1, 1000).Draw(t, "n")
		text := fmt.Sprintf("rate(%d %s)", n, unit)
		if n > 1 {
			text = fmt.Sprintf("rate(%d %ss)", n, unit)
		}
		s, err := ParseSchedule(text, time.UTC)
		if err != nil || s.Once() {
			t.Fatalf("%s: %v", text, err)
		}
		after := at0.Add(time.Duration(rapid.Int64Range(-1e17, 1e17).Draw(t, "after")))
		got := s.Next(after, at0)
		passed := got.Sub(at0)
		if !got.After(after) || passed%(each*time.Duration(n)) != 0 || passed < 0 ||
			passed > 0 && got.Add(-each*time.Duration(n)).After(after) {
			t.Fatalf("%s after %v: %v", text, after, got)
		}
	})
}
