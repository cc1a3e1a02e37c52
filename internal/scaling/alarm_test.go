package scaling

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var at0 = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)

// points makes the data of a row of ecs.md 7.6: 0 is within the threshold, X breaches it, - is missing.
func points(row string) (all []Datapoint) {
	for i, c := range strings.Fields(row) {
		p := Datapoint{Start: at0.Add(time.Duration(i) * time.Minute), Known: c != "-"}
		if c == "X" {
			p.Value = 100
		}
		all = append(all, p)
	}
	return all
}

// The tables of ecs.md 7.6. K means that the alarm keeps its state.
func TestMissingData(t *testing.T) {
	letters := map[State]string{OK: "O", InAlarm: "A", InsufficientData: "I"}
	for _, c := range []struct {
		row  string
		m    int
		want string // for missing, ignore, breaching, notBreaching
	}{
		{"0 - X - X", 3, "OOOO"}, {"0 - X - X", 2, "AAAA"},
		{"0 - - - -", 3, "OOOO"},
		{"- - - - -", 3, "IKAO"},
		{"0 X X - X", 3, "AAAA"},
		{"- - X - -", 3, "AKAO"},
		{"0 0 X 0 X", 2, "AAAA"},
		{"0 - X - -", 2, "OOAO"},
		{"- - - - 0", 2, "OOAO"},
		{"- - - X -", 2, "AKAO"},
		{"- - - - X", 3, "KKAO"}, // the state does not change
	} {
		for i, missing := range []Missing{MissingIsMissing, MissingIgnored, MissingIsBreaching, MissingIsNotBreaching} {
			for _, now := range []State{OK, InAlarm, InsufficientData} {
				cond := Condition{Comparison: Greater, Threshold: 70, Period: time.Minute, Periods: 3, ToAlarm: c.m,
					MissingData: missing}
				got := cond.Evaluate(points(c.row), now)
				want := c.want[i : i+1]
				if want == "K" {
					want = letters[now]
				}
				if letters[got.State] != want {
					t.Errorf("%s, %d of 3, %s, from %s: %s, want %s", c.row, c.m, missing, now, got.State, want)
				}
				if (got.Reason == "") != (got.State == now) {
					t.Errorf("%s: %q", c.row, got.Reason)
				}
			}
		}
	}
}

func TestReasons(t *testing.T) {
	cond := Condition{Comparison: Greater, Threshold: 70, Period: time.Minute, Periods: 3, ToAlarm: 2}
	for _, c := range []struct {
		row  string
		now  State
		want string
	}{
		{"0 0 X 0 X", OK, "Threshold Crossed: 2 out of the last 3 datapoints [100.0 (29/11/26 08:04:00), " +
			"100.0 (29/11/26 08:02:00)] were greater than the threshold (70.0) " +
			"(minimum 2 datapoints for OK -> ALARM transition)."},
		{"0 0 X 0 0", InAlarm, "Threshold Crossed: 2 out of the last 3 datapoints [0.0 (29/11/26 08:04:00), " +
			"0.0 (29/11/26 08:03:00)] were not greater than the threshold (70.0) " +
			"(minimum 2 datapoints for ALARM -> OK transition)."},
		{"- - - - -", OK, "Insufficient Data: 3 datapoints were unknown."},
	} {
		if got := cond.Evaluate(points(c.row), c.now); got.Reason != c.want {
			t.Errorf("%s: %q", c.row, got.Reason)
		}
	}
	for _, c := range []struct {
		cond     Condition
		row      string
		now      State
		expected string
	}{ // AWS's texts, also without M
		{Condition{Periods: 1}, "0 0 X", OK, "Threshold Crossed: 1 datapoint [100.0 (29/11/26 08:02:00)] was greater " +
			"than the threshold (70.0)."},
		{Condition{Periods: 3}, "X X X", OK, "Threshold Crossed: 3 datapoints [100.0 (29/11/26 08:02:00), " +
			"100.0 (29/11/26 08:01:00), 100.0 (29/11/26 08:00:00)] were greater than the threshold (70.0)."},
		{Condition{Periods: 5}, "X X X X X", OK, "Threshold Crossed: 5 datapoints were greater than the threshold " +
			"(70.0). The most recent datapoints which crossed the threshold: [100.0 (29/11/26 08:04:00), " +
			"100.0 (29/11/26 08:03:00), 100.0 (29/11/26 08:02:00), 100.0 (29/11/26 08:01:00), " +
			"100.0 (29/11/26 08:00:00)]."},
		{Condition{Periods: 6, ToAlarm: 1}, "0 0 0 0 0 0", InAlarm, "Threshold Crossed: 6 out of the last 6 " +
			"datapoints were not greater than the threshold (70.0). The most recent datapoints which did not cross " +
			"the threshold: [0.0 (29/11/26 08:05:00), 0.0 (29/11/26 08:04:00), 0.0 (29/11/26 08:03:00), " +
			"0.0 (29/11/26 08:02:00), 0.0 (29/11/26 08:01:00)] (minimum 6 datapoints for ALARM -> OK transition)."},
		{Condition{Periods: 3}, "X X 0", InAlarm, "Threshold Crossed: 1 datapoint [0.0 (29/11/26 08:02:00)] was not " +
			"greater than the threshold (70.0)."},
		{Condition{Periods: 1, ToAlarm: 1}, "0 0 X", OK, "Threshold Crossed: 1 out of the last 1 datapoints [100.0 " +
			"(29/11/26 08:02:00)] was greater than the threshold (70.0) (minimum 1 datapoint for OK -> ALARM " +
			"transition)."},
		{Condition{Periods: 3, ToAlarm: 1, MissingData: MissingIsNotBreaching}, "- X -", OK, "Threshold Crossed: " +
			"1 out of the last 3 datapoints [100.0 (29/11/26 08:01:00)] was greater than the threshold (70.0) and " +
			"2 missing datapoints were treated as [NonBreaching] (minimum 1 datapoint for OK -> ALARM transition)."},
	} {
		c.cond.Comparison, c.cond.Threshold = Greater, 70
		if got := c.cond.Evaluate(points(c.row), c.now); got.Reason != c.expected {
			t.Errorf("%s: %q", c.row, got.Reason)
		}
	}
	cond.MissingData = MissingIsBreaching
	want := "Threshold Crossed: no datapoints were received for 3 periods " +
		"and 3 missing datapoints were treated as [Breaching]."
	if got := cond.Evaluate(points("- - - - -"), OK); got.Reason != want {
		t.Errorf("%q", got.Reason)
	}
}

// When no data are missing, the treatment of missing data has no effect, and the alarm counts whether M of N
// breach (ecs.md 7.4, 7.6).
func TestCompleteData(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.IntRange(1, 10).Draw(t, "n")
		cond := Condition{Comparison: rapid.SampledFrom([]Comparison{Greater, GreaterOrEqual, Less,
			LessOrEqual}).Draw(t, "c"),
			Threshold: 50, Periods: n, ToAlarm: rapid.IntRange(0, n).Draw(t, "m"), Period: time.Minute,
			MissingData: rapid.SampledFrom([]Missing{"", MissingIgnored, MissingIsBreaching,
				MissingIsNotBreaching}).Draw(t, "x")}
		data := make([]Datapoint, cond.Range())
		breaching := 0
		for i := range data {
			data[i] = Datapoint{Value: float64(rapid.IntRange(49, 51).Draw(t, "v")), Known: true}
			if i >= len(data)-n && cond.Comparison.Breaches(data[i].Value, 50) {
				breaching++
			}
		}
		want := OK
		if breaching >= cond.M() {
			want = InAlarm
		}
		if got := cond.Evaluate(data, InsufficientData); got.State != want {
			t.Fatalf("%s, want %s", got.State, want)
		}
	})
}

// ecs.md 5.12: a value above 70 for five minutes fires the alarm; exactly 70 does not.
func TestFiveMinutesAboveSeventy(t *testing.T) {
	cond := Condition{Comparison: Greater, Threshold: 70, Period: time.Minute, Periods: 5}
	for _, c := range []struct {
		value   float64
		minutes int
		want    State
	}{{71, 4, InsufficientData}, {71, 5, InAlarm}, {70, 9, OK}} {
		state := InsufficientData
		var data []Datapoint
		for range cond.Range() {
			data = append(data, Datapoint{})
		}
		for range c.minutes {
			data = append(data[1:], Datapoint{Value: c.value, Known: true})
			state = cond.Evaluate(data, state).State
		}
		if state != c.want {
			t.Errorf("%v for %d minutes: %s", c.value, c.minutes, state)
		}
	}
}

// ecs.md 7.4: alarms with periods from 60 s on are evaluated every minute, those with shorter ones every 10
// s.
func TestIntervals(t *testing.T) {
	for _, c := range []struct {
		period  time.Duration
		periods int
		want    time.Duration
	}{
		{10 * time.Second, 1, 10 * time.Second}, {20 * time.Second, 3, 10 * time.Second},
		{30 * time.Second, 1, 10 * time.Second}, {time.Minute, 5, time.Minute}, {time.Hour, 24, time.Minute},
		{time.Hour, 25, time.Hour},
	} {
		if got := (Condition{Period: c.period, Periods: c.periods}).Interval(); got != c.want {
			t.Errorf("%v: %v", c, got)
		}
	}
}

// ecs.md 7.7.
func TestTooFewSamples(t *testing.T) {
	for _, c := range []struct {
		p, n float64
		want bool
	}{{50, 19, true}, {50, 20, false}, {99, 999, true}, {99, 1000, false}, {90, 100, false}, {10, 99, true},
		{10, 100, false}} {
		if TooFewSamples(c.p, c.n) != c.want {
			t.Errorf("%+v", c)
		}
	}
}

func TestRules(t *testing.T) {
	states := map[string]State{"a": InAlarm, "b": OK, "c d": InsufficientData, `q"`: OK}
	for text, want := range map[string]bool{
		"ALARM(a)": true, "ALARM(b)": false, "OK(b) AND ALARM(a)": true, "OK(a) or ok(b)": true,
		`INSUFFICIENT_DATA("c d")`: true, "NOT ALARM(a)": false, "TRUE": true, "FALSE OR NOT FALSE": true,
		"ALARM(b) AND ALARM(b) OR ALARM(a)": true, "ALARM(b) AND (ALARM(b) OR ALARM(a))": false, "NOT NOT TRUE": true,
		`OK("q\"")`: true, "ALARM(arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a)": true, "ALARM ( a )": true,
		"INSUFFICIENT_DATA(gone)": true,
	} {
		r, err := ParseRule(text)
		if err != nil {
			t.Errorf("%s: %v", text, err)
			continue
		}
		got := r.Holds(func(name string) State {
			if s := states[name]; s != "" {
				return s
			}
			return InsufficientData
		})
		if got != want {
			t.Errorf("%s is %t", text, got)
		}
	}
	for text, want := range map[string]string{
		"": "character 1: ALARM, OK", "ALARM(a": "character 8: a closing", "ALARM()": "name of an alarm is missing",
		"ALARM(a) ALARM(b)": "character 10: AND, OR or the end", "ALARM(\"a": "no closing quote",
		"ALARMA(a)":              "character 1",
		strings.Repeat("(", 200): "100 deep", strings.Repeat("NOT ", 200) + "TRUE": "100 deep",
		strings.Repeat(" ", 10241): "10240 characters", "TRUE AND": "character 9",
	} {
		if _, err := ParseRule(text); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	r, _ := ParseRule("ALARM(a) OR (OK(b) AND ALARM(a)) OR OK(arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a)")
	if got := strings.Join(append(r.Alarms(), r.Texts()...), " "); got !=
		"a b a b arn:aws:cloudwatch:eu-west-1:123456789012:alarm:a" {
		t.Error(got)
	}
}

func FuzzRule(f *testing.F) {
	f.Add(`ALARM("x") AND NOT (OK(y) OR FALSE)`)
	f.Fuzz(func(t *testing.T, text string) {
		if r, err := ParseRule(text); err == nil {
			r.Holds(func(string) State { return OK })
			for _, name := range r.Alarms() {
				if name == "" {
					t.Error("an alarm without a name")
				}
			}
		}
	})
}
