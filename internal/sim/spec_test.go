package sim

import (
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func TestParseLoad(t *testing.T) {
	cost := UsualCost()
	other := Cost{CPU: 2 * time.Millisecond, Memory: 1, Cores: 1, IdleCPU: 3, IdleMemory: 4}
	for text, want := range map[string]Load{
		"chat=flat,level=5": {Service: "chat", Curve: Flat(5), Cost: cost},
		"c/chat=wave,low=1,high=2,clients=0.1,noise=0.5": {Service: "c/chat", Clients: 0.1, Noise: 0.5, Cost: cost,
			Curve: Wave{Low: 1, High: 2, Period: 24 * time.Hour, Peak: 12 * time.Hour}},
		"a=wave,low=1,high=2,period=8h,peak=1h": {Service: "a", Cost: cost,
			Curve: Wave{Low: 1, High: 2, Period: 8 * time.Hour, Peak: time.Hour}},
		"a=step,from=1,to=9,at=3h,rise=1m": {Service: "a", Cost: cost,
			Curve: Ramp{From: 1, To: 9, Begin: 3 * time.Hour, Rise: time.Minute}},
		"a=spike,from=1,to=9,at=3h,for=5m": {Service: "a", Cost: cost,
			Curve: Ramp{From: 1, To: 9, Begin: 3 * time.Hour, Duration: 5 * time.Minute}},
		"a=flat,level=1,cpu=2ms,memory=1,cores=1,idle-cpu=3,idle-memory=4": {Service: "a", Curve: Flat(1), Cost: other},
	} {
		if got, err := ParseLoad(text, cost); err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s is %+v %v, want %+v", text, got, err, want)
		}
	}
	for text, want := range map[string]string{
		"chat":                             "SERVICE=SHAPE",
		"=flat":                            "SERVICE=SHAPE",
		"chat=sine":                        "there is no shape \"sine\"; there are flat, wave, step, spike",
		"chat=flat":                        "level is missing",
		"chat=flat,level=x":                "level is \"x\"; it must be a number from 0",
		"chat=flat,level=-1":               "number from 0",
		"chat=flat,level=NaN":              "number from 0",
		"chat=flat,level=1,at=1h":          "no setting \"at\" here; there are clients, cores, cpu",
		"chat=flat,level=1,level=2":        "level is given twice",
		"chat=step,from=1,to=2,at=3":       "at is \"3\"; it must be a time such as 90s",
		"chat=flat,level":                  "NAME=VALUE",
		"chat=wave,low=1,high=2,period=1s": "at least a minute",
	} {
		if l, err := ParseLoad(text, cost); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s is %+v %v, want %q", text, l, err, want)
		}
	}
}

func TestParseCostAndFault(t *testing.T) {
	c, err := ParseCost("cpu=3ms,cores=2", UsualCost())
	if want := (Cost{CPU: 3 * time.Millisecond, Cores: 2, Memory: UsualCost().Memory, IdleCPU: UsualCost().IdleCPU,
		IdleMemory: UsualCost().IdleMemory}); c != want || err != nil {
		t.Errorf("%+v %v", c, err)
	}
	if _, err := ParseCost("level=3", UsualCost()); err == nil {
		t.Error("a cost has a level")
	}
	if f, err := ParseFault("agent-dies@90m"); err != nil || f != (Fault{AgentDies, 90 * time.Minute}) {
		t.Errorf("%+v %v", f, err)
	}
	for _, text := range []string{"agent-dies", "agent-dies@noon", "@"} {
		if f, err := ParseFault(text); err == nil {
			t.Errorf("%q is %+v", text, f)
		}
	}
}

func TestReadCSV(t *testing.T) {
	file := "# of Monday\ntime,chat:0.2, prod/web\n0,1,2\n1m30s,3,4\n180,5,6\n"
	got, err := ReadCSV(strings.NewReader(file), UsualCost())
	times := []time.Duration{0, 90 * time.Second, 3 * time.Minute}
	want := []Load{
		{Service: "chat", Clients: 0.2, Curve: Recorded{times, []float64{1, 3, 5}}, Cost: UsualCost()},
		{Service: "prod/web", Curve: Recorded{times, []float64{2, 4, 6}}, Cost: UsualCost()},
	}
	if err != nil || !reflect.DeepEqual(got, want) || Length(got) != 3*time.Minute {
		t.Errorf("%+v %v", got, err)
	}
	got, err = ReadCSV(strings.NewReader("time,a\n2026-11-29T08:00:00Z,1\n2026-11-29T09:00:00+00:30,2\n"), UsualCost())
	if err != nil || Length(got) != 30*time.Minute {
		t.Errorf("%+v %v", got, err)
	}
	for text, want := range map[string]string{
		"":                      "names of the columns",
		"a,b\n":                 "line 1: the columns are time and",
		"time\n0\n":             "line 1: the columns are time and",
		"time,\n0,1\n":          "line 1: a column has no name",
		"time,a:x\n0,1\n":       "line 1: \"a:x\"",
		"time,a\n":              "no line after",
		"time,a\n0,1\n0,2\n":    "line 3: the time \"0\" is not later",
		"time,a\n0,x\n":         "line 2: column 2 is \"x\"",
		"time,a\n0,-1\n":        "line 2: column 2",
		"time,a\n0,Inf\n":       "line 2: column 2",
		"time,a\nnoon,1\n":      "line 2: \"noon\" is not a time",
		"time,a\n0,1\n900h,2\n": "line 3: the time \"900h\" is not within 31 days",
		"time,a\n0,1,2\n":       "line 2",
		"time,a\n0,\"1\n":       "line",
	} {
		if l, err := ReadCSV(strings.NewReader(text), UsualCost()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is %+v %v, want %q", text, l, err, want)
		}
	}
	many := "time,a\n" + strings.Repeat("0,0\n", MaxCSVBytes/4+2)
	if _, err := ReadCSV(strings.NewReader(many), UsualCost()); err == nil {
		t.Error("a file has no bound")
	}
}

// Curves are what their names say, and between their bounds.
func TestCurves(t *testing.T) {
	wave := Wave{Low: 10, High: 30, Period: 24 * time.Hour, Peak: 14 * time.Hour}
	ramp := Ramp{From: 1, To: 5, Begin: time.Hour, Rise: 10 * time.Minute, Duration: 30 * time.Minute}
	record := Recorded{[]time.Duration{time.Minute, 3 * time.Minute}, []float64{10, 20}}
	for _, c := range []struct {
		curve Curve
		at    time.Duration
		want  float64
	}{
		{Flat(3), time.Hour, 3},
		{wave, 14 * time.Hour, 30}, {wave, 2 * time.Hour, 10}, {wave, 20 * time.Hour, 20}, {wave, 26 * time.Hour, 10},
		{ramp, 0, 1}, {ramp, time.Hour, 1}, {ramp, 65 * time.Minute, 3}, {ramp, 80 * time.Minute, 5},
		{ramp, 105 * time.Minute, 3}, {ramp, 3 * time.Hour, 1},
		{Ramp{From: 1, To: 5, Begin: time.Hour}, time.Hour, 5},
		{Ramp{From: 1, To: 5, Begin: time.Hour}, 99 * time.Hour, 5},
		{record, 0, 10}, {record, 2 * time.Minute, 15}, {record, time.Hour, 20}, {Recorded{}, 0, 0},
	} {
		if got := c.curve.At(c.at); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%+v at %v is %v, want %v", c.curve, c.at, got, c.want)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		w := Wave{Low: rapid.Float64Range(0, 10).Draw(t, "low"), High: rapid.Float64Range(10, 20).Draw(t, "high"),
			Period: time.Hour, Peak: time.Duration(rapid.IntRange(0, 9000).Draw(t, "peak")) * time.Second}
		l := Load{Service: "a", Curve: w, Noise: rapid.Float64Range(0, 1).Draw(t, "noise")}
		at := time.Duration(rapid.IntRange(-100, 99999).Draw(t, "at")) * time.Second
		if v := l.at(at, 1); v < w.Low*(1-l.Noise)-1e-9 || v > w.High*(1+l.Noise)+1e-9 || v != l.at(at, 1) {
			t.Fatal(v)
		}
	})
}
