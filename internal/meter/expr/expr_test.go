package expr

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// env has m1 = 1 2 _ 4 5 and m2 = 10 0 30 _ 50, with one point a minute from the Unix epoch on, and e1, a
// list of both.
func env() Env {
	m1 := series("m1", 1, 2, math.NaN(), 4, 5)
	m2 := series("m2", 10, 0, 30, math.NaN(), 50)
	return Env{From: 0, To: 300, Period: 60, Metrics: []string{"m1", "m2"},
		Series: map[string][]Series{"m1": {m1}, "m2": {m2}, "e1": {m1, m2}, "none": {series("none")}},
		Search: func(query, statistic string, period int64) ([]Series, error) {
			return []Series{series(fmt.Sprint(query, statistic, period), 7)}, nil
		}}
}

func series(label string, values ...float64) Series {
	s := Series{Label: label, Period: 60}
	for i, v := range values {
		if !math.IsNaN(v) {
			s.Points = append(s.Points, Point{int64(i) * 60, v})
		}
	}
	return s
}

// show writes series in the notation of the tests: _ is a period without a point.
func show(all []Series) string {
	var lines []string
	for _, s := range all {
		row := strings.Split("_ _ _ _ _", " ")
		for _, p := range s.Points {
			row[p.At/60] = fmt.Sprintf("%.4g", p.Value)
		}
		lines = append(lines, strings.Join(row, " "))
	}
	return strings.Join(lines, "; ")
}

func eval(text string, env Env) (string, error) {
	e, err := Parse(text)
	if err != nil {
		return "", err
	}
	got, err := e.Eval(env)
	return show(got), err
}

func TestMath(t *testing.T) {
	for text, want := range map[string]string{
		"m1":                      "1 2 _ 4 5",
		"m1 + 1":                  "2 3 _ 5 6",
		"2 * m1 ^ 2 - -1":         "3 9 _ 33 51",
		"m1 + m2":                 "11 2 _ _ 55",
		"m1 / m2":                 "0.1 _ _ _ 0.1",
		"100*(m2/(m1+m2))":        "90.91 0 _ _ 90.91",
		"e1 * 2":                  "2 4 _ 8 10; 20 0 60 _ 100",
		"m1 - e1":                 "0 0 _ 0 0; -9 2 _ _ -45",
		"-m1":                     "-1 -2 _ -4 -5",
		"m1 > 2":                  "0 0 _ 1 1",
		"m1 >= 2 AND m2 < 20":     "0 1 _ _ 0",
		"m1 == 1 || m1 == 5":      "1 0 _ 0 1",
		"SUM(METRICS())":          "11 2 30 4 55",
		"AVG([m1,m2])":            "5.5 1 30 4 27.5",
		"MAX(e1)":                 "10 2 30 4 50",
		"MIN(METRICS(\"m2\"))":    "10 0 30 _ 50",
		"STDDEV(e1)":              "4.5 1 0 0 22.5",
		"m1 / AVG(m1)":            "0.3333 0.6667 _ 1.333 1.667",
		"FILL(m1, 0)":             "1 2 0 4 5",
		"FILL(m1, REPEAT)":        "1 2 2 4 5",
		"FILL(m1, LINEAR)":        "1 2 3 4 5",
		"FILL(m1, m2)":            "1 2 30 4 5",
		"FILL(none, 3)":           "3 3 3 3 3",
		"IF(m1 > 2, m1)":          "_ _ _ 4 5",
		"IF(m1 > 2, m1, 0)":       "0 0 _ 4 5",
		"IF(m1 > 2, 1, m2)":       "10 0 _ 1 1",
		"IF(SUM(m1) > 5, m1, 0)":  "1 2 _ 4 5",
		"RATE(m1)":                "_ 0.01667 _ 0.01667 0.01667",
		"DIFF(m1)":                "_ 1 _ 2 1",
		"DIFF_TIME(m1)":           "_ 60 _ 120 60",
		"RUNNING_SUM(m1)":         "1 3 _ 7 12",
		"m1 / PERIOD(m1)":         "0.01667 0.03333 _ 0.06667 0.08333",
		"TIME_SERIES(5)":          "5 5 5 5 5",
		"DATAPOINT_COUNT(e1)":     "2 2 1 1 2",
		"m1*METRIC_COUNT(e1)":     "2 4 _ 8 10",
		"MINUTE(m1)":              "0 1 _ 3 4",
		"DAY(m1)":                 "4 4 _ 4 4", // a Thursday
		"YEAR(m1)":                "1970 1970 _ 1970 1970",
		"FIRST(e1)+LAST(e1)":      "11 2 _ _ 55",
		"REMOVE_EMPTY([none,m1])": "1 2 _ 4 5",
		"SLICE(e1, 1)":            "10 0 30 _ 50",
		"SLICE(e1, 0, 1)":         "1 2 _ 4 5",
		"SORT(e1, SUM, DESC, 1)":  "10 0 30 _ 50",
		"SORT(e1, MAX, ASC)":      "1 2 _ 4 5; 10 0 30 _ 50",
		"CEIL(m1/2)+FLOOR(m1/2)":  "1 2 _ 4 5",
		"ABS(-m1)":                "1 2 _ 4 5",
		"LOG10(m2)":               "1 _ 1.477 _ 1.699",
		"SEARCH('{a} b', 'Sum')":  "7 _ _ _ _",
	} {
		if got, err := eval(text, env()); err != nil || got != want {
			t.Errorf("%s: %s, %v; want %s", text, got, err, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for text, want := range map[string]string{
		"": "ends early", "m1 +": "ends early", "m1 m2": "not expected", "(m1": "closing parenthesis",
		"m1)": "not expected",
		"m9":  `no metric or expression with the id "m9"`, "5": "not a time series", "SUM(m1)": "not a time series",
		"ANOMALY_DETECTION_BAND(m1)": "function ANOMALY_DETECTION_BAND is not supported",
		"INSIGHT_RULE_METRIC('a')":   "not supported",
		"FOO(m1)":                    "the function FOO is not supported",
		"SUM(m1, m2)":                "SUM takes one argument, and here it has 2",
		"e1 + e1":                    "two lists", "m1 + 'a'": "does not take a text",
		"FILL(m1, 'X')": "FILL takes a number",
		"[m1, 1]":       "time series only",
		"m1 $ 2":        "'$' is not part", "1.2.3": "is not a number", "'a": "no closing quote",
		"IF(e1, 1)":                     "single time series",
		strings.Repeat("(", 300) + "m1": "100 deep", strings.Repeat("-", 300) + "m1": "100 deep",
		strings.Repeat("m1+", 1000) + "m1": "at most 2048", "SORT(e1, AVG, UP)": "with the id \"UP\"",
		"TIME_SERIES(m1)": "takes a number",
	} {
		if got, err := eval(text, env()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.30s: %s, %v; want %q", text, got, err, want)
		}
	}
}

func TestIDs(t *testing.T) {
	e, err := Parse("IF(m1 > 2, FILL(m2, REPEAT), m1) + SUM(METRICS())")
	if err != nil || fmt.Sprint(e.IDs()) != "[m1 m2]" || !e.All() || e.Searches() {
		t.Errorf("%v, %v", e.IDs(), err)
	}
}

// An operator on series gives, at each time, what the operator gives on the numbers of that time.
func TestEqualsPlainModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := func(name string) []float64 {
			return rapid.SliceOfN(rapid.OneOf(rapid.Float64Range(-1e6, 1e6), rapid.Just(0.0),
				rapid.Just(math.NaN())), 0, 9).
				Draw(t, name)
		}
		a, b := values("a"), values("b")
		op := rapid.SampledFrom([]string{"+", "-", "*", "/", "<", ">=", "=="}).Draw(t, "op")
		e, err := Parse("a " + op + " b")
		if err != nil {
			t.Fatal(err)
		}
		got, err := e.Eval(Env{To: 600, Period: 60, Series: map[string][]Series{"a": {series("a", a...)},
			"b": {series("b", b...)}}})
		if err != nil {
			t.Fatal(err)
		}
		found := map[int64]float64{}
		for _, p := range got[0].Points {
			found[p.At/60] = p.Value
		}
		for i := range max(len(a), len(b)) {
			want := math.NaN()
			if i < len(a) && i < len(b) && !math.IsNaN(a[i]) && !math.IsNaN(b[i]) {
				want = operators[op](a[i], b[i])
			}
			v, ok := found[int64(i)]
			if ok != real(want) || ok && v != want {
				t.Fatalf("%d: %v, want %v", i, v, want)
			}
		}
	})
}

func TestSearch(t *testing.T) {
	m := Named{"AWS/ECS", "CPUUtilization", [][2]string{{"ClusterName", "main"}, {"ServiceName", "chat-blue"}}}
	for query, want := range map[string]bool{
		`{AWS/ECS,ClusterName,ServiceName}`:                             true,
		`{AWS/ECS,ServiceName,ClusterName} MetricName="CPUUtilization"`: true,
		`{AWS/ECS,ClusterName} CPUUtilization`:                          false,
		`{AWS/EC2,ClusterName,ServiceName}`:                             false,
		`Namespace="AWS/ECS" chat`:                                      true,
		`chat blue`:                                                     true,
		`"chat blue"`:                                                   false,
		`"chat-blue"`:                                                   true,
		`chat red`:                                                      false,
		`chat OR red`:                                                   true,
		`red OR green`:                                                  false,
		`NOT red`:                                                       true,
		`NOT chat`:                                                      false,
		`red chat OR blue`:                                              true,
		`ServiceName=chat`:                                              true,
		`ClusterName=chat`:                                              false,
		`ServiceName=("chat-blue" OR "chat-green")`:                     true,
		`utilization`:                                                   true,
		`util`:                                                          false,
		`(main OR test) AND NOT ServiceName="chat-green"`: true,
		``: true,
	} {
		q, err := ParseQuery(query)
		if err != nil || q.Matches(m) != want {
			t.Errorf("%s: %t, %v", query, !want, err)
		}
	}
	for query, want := range map[string]string{"{AWS/ECS": "closing brace", `"a`: "closing quote",
		"(a": "closing parenthesis",
		"a)": "not expected", "=": "not expected", strings.Repeat("(", 300): "100 deep", "NOT": "nothing follows NOT"} {
		if _, err := ParseQuery(query); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.20s: %v", query, err)
		}
	}
}

func FuzzEval(f *testing.F) {
	for _, s := range []string{"SUM(METRICS()) / 2 > m1", "IF(m1>2,FILL(m2,LINEAR),-1^m1)",
		"SORT([m1,e1],AVG,DESC,1)", "SLICE(e1,0,9)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		e, err := Parse(text)
		if err != nil {
			return
		}
		got, err := e.Eval(env())
		for _, s := range got {
			for i, p := range s.Points {
				if !real(p.Value) || i > 0 && s.Points[i-1].At >= p.At {
					t.Fatalf("%q: %v, %v", text, s, err)
				}
			}
		}
	})
}

func FuzzQuery(f *testing.F) {
	f.Add(`{AWS/ECS,ClusterName} MetricName="CPU" (a OR NOT b) AND c=(d OR "e")`)
	f.Fuzz(func(t *testing.T, text string) {
		if q, err := ParseQuery(text); err == nil {
			q.Matches(Named{"AWS/ECS", "CPU", [][2]string{{"ClusterName", "main"}}})
		}
	})
}
