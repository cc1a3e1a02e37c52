package sim

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// The same seed gives the same report, byte by byte, and another seed another one.
func TestSameSeedSameReport(t *testing.T) {
	texts := map[uint64]string{}
	for _, seed := range []uint64{1, 1, 2} {
		r := simulate(t, sample(3, 4), day(3, 0.2), func(o *Options) {
			o.Seed, o.Span = seed, 2*time.Hour
			o.Faults = []Fault{{AgentDies, time.Hour}, {TaskEnds, 30 * time.Minute}}
		})
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if old, ok := texts[seed]; ok && old != string(text) {
			t.Errorf("seed %d gives two reports", seed)
		}
		texts[seed] = string(text)
	}
	if texts[1] == texts[2] {
		t.Error("two seeds give the same report")
	}
}

// One service of two tasks and a constant load: what the report says can be computed by hand.
func TestConstantLoad(t *testing.T) {
	loads := []Load{{Service: "web00", Curve: Flat(20), Cost: Cost{CPU: 10 * time.Millisecond, IdleMemory: 96}}}
	r := simulate(t, fixed(1, 3), loads, func(o *Options) { o.Span, o.Reserved = 2*time.Hour, []int{2, 4} })
	s := r.Services[0]
	// 20 requests of 10 ms are a fifth of a core, 40 per cent of the half core that two tasks reserve; 96 MiB are a
	// quarter of 384.
	last := s.Points[len(s.Points)-1]
	if last.CPU != 40 || last.Memory != 25 || last.Load != 20 || last.Running != 2 || last.Desired != 2 {
		t.Errorf("%+v", last)
	}
	if s.Requests != 20*7200 || s.Late != 0 || s.Refused != 0 || s.TaskHours != 4 || s.MeanTasks != 2 ||
		s.PeakLoad != 20 || len(s.Points) != 120 {
		s.Points = nil
		t.Errorf("%+v", s)
	}
	g := r.Groups[0]
	if want := []Reservation{{2, 4, 100, 2}, {4, 8, 75, 0}}; g.InstanceHours != 6 || !slices.Equal(g.Reserved, want) {
		t.Errorf("%v hours, %+v, want %+v", g.InstanceHours, g.Reserved, want)
	}
	c := r.Clusters[0].Points[60]
	if c.Instances != 3 || c.CPU != round(100*0.2/6) || c.CPUReserved != round(100*512.0/6144) {
		t.Errorf("%+v", c)
	}
}

// Tasks that get more than they can answer answer late, and give up what has waited for too long.
func TestOverload(t *testing.T) {
	s := fixed(1, 1) // 2 cores for the two tasks
	loads := []Load{{Service: "web00", Cost: Cost{CPU: 10 * time.Millisecond},
		Curve: Ramp{From: 100, To: 300, Begin: 30 * time.Minute, Duration: 10 * time.Minute}}}
	r := simulate(t, s, loads, func(o *Options) { o.Span = time.Hour })
	svc := r.Services[0]
	// 200 a second are answered. 100 more wait for up to 30 s, so 3000 wait, and the others are given up.
	if gone := 100*600 - svc.Refused; gone < 0 || gone > 100*60 {
		t.Errorf("%v were given up", svc.Refused)
	}
	if svc.Late < 100*60 || svc.Points[35].CPU != 400 || svc.Points[59].Late != 0 || svc.Points[59].CPU != 200 {
		t.Errorf("%v were late; %+v %+v", svc.Late, svc.Points[35], svc.Points[59])
	}
}

// Clients stay with their tasks, and connect again when these end.
func TestClientsStay(t *testing.T) {
	s := fixed(1, 2)
	loads := []Load{{Service: "web00", Curve: Flat(1000), Clients: 0.01, Cost: UsualCost()}}
	r := simulate(t, s, loads, func(o *Options) {
		o.Span, o.Faults = time.Hour, []Fault{{TaskEnds, 30 * time.Minute}}
	})
	svc := r.Services[0]
	if svc.Unit != "clients" || svc.Moved != 500 || svc.PeakLoad != 1000 {
		t.Errorf("%v moved, %+v", svc.Moved, svc.Unit)
	}
}

// What uses more memory than it may is ended, and the reason is told.
func TestOutOfMemory(t *testing.T) {
	loads := []Load{{Service: "web00", Clients: 0.001,
		Curve: Ramp{From: 100, To: 4000, Begin: 10 * time.Minute, Rise: 20 * time.Minute},
		Cost:  Cost{CPU: time.Millisecond, Memory: 0.3, IdleMemory: 50}}}
	r := simulate(t, fixed(1, 2), loads, func(o *Options) { o.Span = 40 * time.Minute })
	if r.Services[0].OutOfMemory == 0 {
		t.Error("384 MiB held 4000 clients of 0.3 MiB")
	}
}

// transcript is what was decided, by minute, without ids.
func transcript(r *Report, kinds ...string) string {
	var b strings.Builder
	for _, d := range r.Decisions {
		if len(kinds) == 0 || slices.Contains(kinds, d.Kind) {
			text, _, _ := strings.Cut(d.Text, ":")
			fmt.Fprintf(&b, "%s %s %s\n", d.At.Format("15:04"), d.Kind, text)
		}
	}
	return b.String()
}

// Each fault is followed by what the controllers do about it, and at the end as many instances and tasks run as are
// wanted.
func TestFaults(t *testing.T) {
	for kind, want := range map[FaultKind]string{
		AgentDies:      "Terminating EC2 instance",
		TaskEnds:       "has started 1 tasks",
		TelemetryStops: "",
		NeverRegisters: "",
		LaunchFails:    "",
	} {
		r := simulate(t, fixed(2, 3), day(2, 0), func(o *Options) {
			o.Span, o.Faults = 2*time.Hour, []Fault{{kind, 30 * time.Minute}, {AgentDies, time.Hour}}
		})
		text := transcript(r)
		if !strings.Contains(text, want) || !strings.Contains(text, "fault "+string(kind)) {
			t.Errorf("%s:\n%s", kind, text)
		}
		if kind == LaunchFails && !strings.Contains(text, "Launching a new EC2 instance.  Status Reason") &&
			!slices.ContainsFunc(r.Decisions, func(d Decision) bool {
				return d.Kind == "group" && d.Refused && strings.Contains(d.Text, errLaunch.Error())
			}) {
			t.Errorf("the failed launch is not told:\n%s", text)
		}
		g := r.Groups[0].Points[len(r.Groups[0].Points)-1]
		if g.Instances != 3 || g.InService != 3 {
			t.Errorf("%s: %+v\n%s", kind, g, text)
		}
		for _, s := range r.Services {
			if p := s.Points[len(s.Points)-1]; p.Running != 2 || p.Pending != 0 {
				t.Errorf("%s: %+v\n%s", kind, p, text)
			}
		}
	}
}

// Whatever happens, nothing is lost or made: each request is answered, given up or waits for at most the patience of
// its client, and each client is connected once. Everything settles when nothing changes any more.
func TestNothingIsLost(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		services := rapid.IntRange(1, 3).Draw(rt, "services")
		s := fixed(services, rapid.IntRange(1, 4).Draw(rt, "instances"))
		var loads []Load
		cost := UsualCost()
		cost.Memory = 0 // tasks that are killed again and again do not settle
		for i := range services {
			loads = append(loads, Load{Service: fmt.Sprintf("web%02d", i), Cost: cost,
				Clients: rapid.SampledFrom([]float64{0, 0.05}).Draw(rt, "clients"),
				Curve: Ramp{From: rapid.Float64Range(0, 200).Draw(rt, "from"),
					To:    rapid.Float64Range(0, 600).Draw(rt, "to"),
					Begin: time.Duration(rapid.IntRange(0, 30).Draw(rt, "begin")) * time.Minute}})
		}
		// An instance that never registers stays, as on EC2, and its tasks have no place then.
		kinds := slices.DeleteFunc(slices.Clone(FaultKinds), func(k FaultKind) bool { return k == NeverRegisters })
		var faults []Fault
		for range rapid.IntRange(0, 4).Draw(rt, "faults") {
			faults = append(faults, Fault{rapid.SampledFrom(kinds).Draw(rt, "kind"),
				time.Duration(rapid.IntRange(0, 30).Draw(rt, "at")) * time.Minute})
		}
		r := simulate(t, s, loads, func(o *Options) {
			o.Span, o.Faults, o.Seed = 70*time.Minute, faults, rapid.Uint64().Draw(rt, "seed")
		})
		for i, v := range r.Services {
			last := v.Points[len(v.Points)-1]
			curve := loads[i].Curve.At(3 * time.Hour)
			if last.Running != last.Desired || math.Abs(last.Load-round(curve)) > 0.01 || v.Refused > v.Requests+1 {
				rt.Fatalf("%+v of %v\n%s", last, curve, transcript(r))
			}
		}
		for _, g := range r.Groups {
			if g.MaxInstances > 2*8 {
				rt.Fatalf("%d instances", g.MaxInstances)
			}
		}
	})
}

// A simulation whose caller gives up ends, and says why.
func TestCancelled(t *testing.T) {
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(errors.New("enough"))
	if _, err := Run(ctx, sample(1, 1), nil, Usual()); err == nil || err.Error() != "enough" {
		t.Error(err)
	}
}

// What cannot be simulated is refused with the reason.
func TestRefused(t *testing.T) {
	for want, change := range map[string]func(*Options, *Load){
		"must last from a minute to 31 ":  func(o *Options, _ *Load) { o.Span = 0 },
		"from 0 to an hour":               func(o *Options, _ *Load) { o.Boot = -1 },
		"there is no fault \"x\"":         func(o *Options, _ *Load) { o.Faults = []Fault{{"x", 0}} },
		"is not within the simulation":    func(o *Options, _ *Load) { o.Faults = []Fault{{TaskEnds, 25 * time.Hour}} },
		"no service \"db\"; it has prod/": func(_ *Options, l *Load) { l.Service = "db" },
		"has no curve":                    func(_ *Options, l *Load) { l.Curve = nil },
		"more than 0":                     func(_ *Options, l *Load) { l.Cost.CPU = 0 },
		"numbers from 0":                  func(_ *Options, l *Load) { l.Cost.Memory = math.NaN() },
		"requests per second":             func(_ *Options, l *Load) { l.Clients = -1 },
		"noise must be from 0 to 1":       func(_ *Options, l *Load) { l.Noise = 2 },
		"reserved instances":              func(o *Options, _ *Load) { o.Reserved = []int{-1} },
	} {
		o, l := Usual(), day(1, 0)[0]
		change(&o, &l)
		if _, err := Run(t.Context(), sample(1, 1), []Load{l}, o); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %q", err, want)
		}
	}
}
