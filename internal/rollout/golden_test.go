package rollout

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/golden"
)

// transcript prints a simulation: for each plan that does anything a line with the time and the counts after
// it, and its events.
type transcript struct {
	*sim
	strings.Builder
	complaint string // of the last plan
}

func (w *transcript) title(format string, args ...any) { fmt.Fprintf(w, "# "+format+"\n", args...) }

func (w *transcript) note(format string, args ...any) {
	fmt.Fprintf(w, "      -- "+format+"\n", args...)
}

// watch makes steps until the service is steady, at most the given number.
func (w *transcript) watch(steps int) {
	for range steps {
		p := w.step()
		w.print(p)
		if !p.SteadyAt.IsZero() {
			break
		}
		w.pass(20 * time.Second)
	}
	w.WriteString("\n")
}

func (w *transcript) print(p Plan) {
	var parts []string
	for _, x := range p.Start {
		part := fmt.Sprintf("start %d of %s", x.Count, x.DeploymentID)
		if x.InstanceARNs != nil {
			part += " on " + strings.Join(x.InstanceARNs, " ")
		}
		parts = append(parts, part)
	}
	for _, x := range p.Stop {
		parts = append(parts, fmt.Sprintf("stop %s (%s: %s)", x.TaskARN, x.Cause, x.Reason))
	}
	for _, d := range p.Update {
		parts = append(parts, fmt.Sprintf("mark %s %s %s desired=%d failed=%d attempts=%d", d.ID, d.Status,
			d.RolloutState, d.DesiredCount, d.FailedTasks, d.Attempts))
	}
	for _, e := range p.Event {
		parts = append(parts, strings.TrimSpace("event "+e.Name)+": "+e.Message)
	}
	if p.Complaint != "" && p.Complaint != w.complaint { // printed once, as the caller writes it once
		parts = append(parts, strings.TrimSpace("complain: "+p.Complaint+" "+p.Detail))
	}
	w.complaint = p.Complaint
	if len(parts) == 0 {
		return
	}
	at := w.now.Sub(epoch).Round(time.Second)
	fmt.Fprintf(w, "%5ds live=%d healthy=%d", int(at.Seconds()), w.live(), w.healthy())
	if !p.WakeAt.IsZero() {
		fmt.Fprintf(w, " wake=+%ds", int(p.WakeAt.Sub(w.now).Seconds()))
	}
	w.WriteString("\n")
	for _, part := range parts {
		fmt.Fprintf(w, "      %s\n", part)
	}
}

// newTranscript makes a simulation with a first deployment that is completed.
func newTranscript(sv ecs.Service, title string, change ...func(*Deployment)) *transcript {
	w := &transcript{sim: newSim(sv)}
	w.deploy("ecs-svc/1", change...)
	for !w.run(1, nil) {
	}
	w.events = nil
	w.title("%s", title)
	w.shiftToZero()
	return w
}

// shiftToZero makes the present the start of the simulation's time, so that a transcript starts at 0 s.
func (w *transcript) shiftToZero() {
	by := w.now.Sub(epoch)
	for k := range w.Tasks {
		w.Tasks[k].CreatedAt, w.Tasks[k].StartedAt = w.Tasks[k].CreatedAt.Add(-by), w.Tasks[k].StartedAt.Add(-by)
	}
	for k := range w.Deployments {
		w.Deployments[k].CreatedAt = w.Deployments[k].CreatedAt.Add(-by)
	}
	w.Progress.SteadyAt, w.now = time.Time{}, epoch
}

// TestRollingUpdates prints how services with the documented settings move from one deployment to the next
// (ecs.md 3.2.2).
func TestRollingUpdates(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		title             string
		desired, min, max int
	}{
		{"desired 4, minimum 100, maximum 200: four new at once, then four old go", 4, 100, 200},
		{"desired 4, minimum 50, maximum 100: two stop first", 4, 50, 100},
		{"desired 2, minimum 75, maximum 100: the lower bound is 2, nothing can stop", 2, 75, 100},
		{"desired 3, minimum 100, maximum 125: the upper bound is 3, nothing can start", 3, 100, 125},
		{"desired 4, minimum 100, maximum 150: two at a time", 4, 100, 150},
		{"desired 1, minimum 0, maximum 100: stop, then start", 1, 0, 100},
	} {
		w := newTranscript(service(c.desired, c.min, c.max), c.title)
		w.pass(time.Second)
		w.deploy("ecs-svc/2")
		w.watch(12)
		b.WriteString(w.String())
	}
	golden.Compare(t, "rolling.txt", b.String())
}

// TestScaling prints scaling out and in, with protection (ecs.md 2.7, 3.10).
func TestScaling(t *testing.T) {
	var b strings.Builder
	w := newTranscript(service(2, 100, 200),
		"from 2 to 4, before that is done to 1; tasks without a verdict go first")
	w.Service.DesiredCount = 4
	w.watch(1)
	w.Service.DesiredCount = 1
	w.watch(9)
	b.WriteString(w.String())

	w = newTranscript(service(3, 100, 200),
		"from 3 to 1 with two protected tasks: one stays until its protection ends")
	w.Tasks[0].ProtectedUntil, w.Tasks[1].ProtectedUntil = epoch.Add(time.Minute), epoch.Add(time.Hour)
	w.Service.DesiredCount = 1
	w.watch(6)
	b.WriteString(w.String())

	w = newTranscript(service(3, 100, 200),
		"ranks of the placement strategy decide among equals")
	w.Tasks[0].Rank, w.Tasks[1].Rank, w.Tasks[2].Rank = 1, 0, 2
	w.Service.DesiredCount = 1
	w.watch(3)
	b.WriteString(w.String())

	w = newTranscript(service(2, 100, 200),
		"rebalancing starts one more and stops one only when that is healthy (ecs.md 2.8)")
	w.Uneven = true
	w.watch(1)
	w.note("balanced if counted with the new task, of which the stop ranks know that it is to stay")
	w.Uneven = false
	w.Tasks[0].Rank, w.Tasks[1].Rank, w.Tasks[2].Rank = 1, 0, 2
	w.watch(6)
	b.WriteString(w.String())

	w = newTranscript(service(2, 100, 200),
		"a service that is deleted stops everything, protected tasks too")
	w.Tasks[0].ProtectedUntil = epoch.Add(time.Hour)
	w.Service.Status = ecs.ServiceDraining
	w.watch(3)
	b.WriteString(w.String())
	golden.Compare(t, "scaling.txt", b.String())
}

// TestDraining prints how tasks leave DRAINING instances (ecs.md 1.3.12).
func TestDraining(t *testing.T) {
	var b strings.Builder
	for _, c := range []struct {
		title    string
		min, max int
	}{
		{"a draining instance, maximum 200: replace first, then stop", 100, 200},
		{"a draining instance, minimum 50, maximum 100: stop first", 50, 100},
		{"a draining instance, minimum and maximum 100: impossible, and told", 100, 100},
	} {
		w := newTranscript(service(2, c.min, c.max), c.title)
		w.Tasks[0].Draining = true
		w.watch(6)
		b.WriteString(w.String())
	}
	w := newTranscript(service(2, 100, 200),
		"a pending task on a draining instance is stopped at once")
	w.Service.DesiredCount = 3
	w.delay["ecs-svc/1"] = time.Minute
	w.watch(1)
	w.Tasks[2].Draining = true
	w.watch(1)
	b.WriteString(w.String())
	golden.Compare(t, "draining.txt", b.String())
}

// TestFailures prints failing tasks, throttling and the circuit breaker (ecs.md 3.2.4, 3.4, 3.5).
func TestFailures(t *testing.T) {
	var b strings.Builder
	w := newTranscript(withBreaker(service(1, 100, 200), breaker(true)),
		"tasks never start: three failures, then back to the last completed deployment")
	w.broken["ecs-svc/2"] = neverStarts
	w.pass(time.Second)
	w.deploy("ecs-svc/2")
	w.watch(20)
	b.WriteString(w.String())

	w = newTranscript(withBreaker(service(2, 100, 200), breaker(true)),
		"tasks run but fail the load balancer's checks", withTargets)
	w.broken["ecs-svc/2"] = failsChecks
	w.pass(time.Second)
	w.deploy("ecs-svc/2", withTargets)
	w.watch(20)
	b.WriteString(w.String())

	w = &transcript{sim: newSim(withBreaker(service(2, 100, 200), breaker(true)))}
	w.title("the first deployment fails: nothing to return to, it stands still")
	w.broken["ecs-svc/1"] = neverStarts
	w.deploy("ecs-svc/1")
	w.watch(8)
	b.WriteString(w.String())

	w = &transcript{sim: newSim(service(1, 100, 200))}
	w.title("no circuit breaker: attempts are spaced out up to 15 minutes, told once, forgotten when a task runs")
	w.broken["ecs-svc/1"] = neverStarts
	w.deploy("ecs-svc/1")
	w.watch(200)
	w.note("the cause is mended")
	w.broken["ecs-svc/1"] = works
	w.watch(60)
	b.WriteString(w.String())

	w = &transcript{sim: newSim(service(1, 100, 200))}
	w.title("no circuit breaker, checks that never pass: attempts are spaced out, until the program is mended")
	w.broken["ecs-svc/1"] = failsChecks
	w.deploy("ecs-svc/1", withTargets)
	w.watch(100)
	w.note("the cause is mended")
	w.broken["ecs-svc/1"] = works
	w.watch(60)
	b.WriteString(w.String())

	w = newTranscript(withBreaker(service(1, 100, 200), breaker(true)),
		"tasks run and exit soon: as if they never started")
	w.broken["ecs-svc/2"] = exitsSoon
	w.pass(time.Second)
	w.deploy("ecs-svc/2")
	w.watch(20)
	b.WriteString(w.String())

	w = &transcript{sim: newSim(service(1, 100, 200))}
	w.title("tasks run and exit soon, no circuit breaker; then the task definition is mended")
	w.broken["ecs-svc/1"] = exitsSoon
	w.deploy("ecs-svc/1")
	w.watch(20)
	w.deploy("ecs-svc/2")
	w.watch(6)
	b.WriteString(w.String())

	for _, c := range []struct {
		title    string
		min, max int
	}{
		{"one of two tasks fails its checks, maximum 200: start, then stop", 100, 200},
		{"both tasks fail their checks, maximum 100: one at a time", 50, 100},
	} {
		w = newTranscript(service(2, c.min, c.max), c.title, withTargets)
		for k := range 3 - c.max/100 {
			w.Tasks[k].States[0].State, w.Tasks[k].States[0].Reason = "unhealthy",
				"Health checks failed with these codes: [502]"
		}
		w.frozen = 3 - c.max/100
		w.watch(10)
		b.WriteString(w.String())
	}

	w = newTranscript(service(3, 100, 200),
		"a task of the old deployment dies while the new one starts slowly: its replacement keeps the revision")
	w.delay["ecs-svc/2"] = 2 * time.Minute
	w.pass(time.Second)
	w.deploy("ecs-svc/2")
	w.watch(2)
	w.note("t01 exits")
	w.exit(&w.Tasks[0], ecs.EssentialContainerExited)
	w.watch(15)
	b.WriteString(w.String())

	w = newTranscript(service(2, 50, 200),
		"a static port on two full instances: no room to start, so old tasks make way down to the minimum")
	w.capacity = 2
	w.pass(time.Second)
	w.deploy("ecs-svc/2")
	w.watch(14)
	b.WriteString(w.String())
	golden.Compare(t, "failures.txt", b.String())
}

// TestDaemons prints a daemon service while instances are added and removed (ecs.md 3.3).
func TestDaemons(t *testing.T) {
	var b strings.Builder
	for _, minimum := range []int{0, 50, 100} {
		w := &transcript{sim: newSim(daemonService(minimum))}
		w.title("a daemon on three instances, minimum %d", minimum)
		w.Instances = []Place{{ContainerInstanceARN: "i1", Eligible: true},
			{ContainerInstanceARN: "i2", Eligible: true}, {ContainerInstanceARN: "i3", Eligible: true}}
		w.deploy("ecs-svc/1")
		w.watch(6)
		w.note("a new deployment")
		w.pass(time.Second)
		w.deploy("ecs-svc/2")
		w.watch(12)
		b.WriteString(w.String())
	}
	w := &transcript{sim: newSim(daemonService(0))}
	w.title("instances join, drain with other tasks on them, and stop meeting the constraints")
	w.Instances = []Place{{ContainerInstanceARN: "i1", Eligible: true},
		{ContainerInstanceARN: "i2", Eligible: true, OtherTasks: 2}}
	w.deploy("ecs-svc/1")
	w.watch(6)
	w.note("i3 joins, i2 drains, i1 no longer meets the constraints")
	w.Instances = []Place{{ContainerInstanceARN: "i1"}, {
		ContainerInstanceARN: "i2", Draining: true, OtherTasks: 2,
	}, {ContainerInstanceARN: "i3", Eligible: true}}
	w.watch(5)
	w.note("the other tasks have left i2")
	w.Instances[1].OtherTasks = 0
	w.watch(5)
	b.WriteString(w.String())
	golden.Compare(t, "daemon.txt", b.String())
}
