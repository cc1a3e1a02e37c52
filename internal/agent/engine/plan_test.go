package engine

import (
	"fmt"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/acs"
)

var epoch = time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)

// anyTask draws a task whose containers depend only on earlier ones, so there are no cycles.
func anyTask() *rapid.Generator[Record] {
	return rapid.Custom(func(t *rapid.T) Record {
		task := taskOf("p")
		if rapid.Bool().Draw(t, "awsvpc") {
			task.NetworkMode = networkAwsvpc
		}
		for i := range rapid.IntRange(1, 5).Draw(t, "containers") {
			c := container(fmt.Sprint("c", i), "image")
			c.Essential = i == 0 || rapid.Bool().Draw(t, "essential")
			for j := range i {
				if rapid.Bool().Draw(t, "depends") {
					condition := rapid.SampledFrom([]string{
						acs.ConditionStart, acs.ConditionComplete, acs.ConditionSuccess,
					}).Draw(t, "condition")
					c.DependsOn = append(c.DependsOn,
						acs.Dependency{ContainerName: fmt.Sprint("c", j), Condition: condition})
				}
			}
			task.Containers = append(task.Containers, c)
		}
		return NewRecord(task, epoch, func() string { return "id" })
	})
}

// carryOut carries out a step as a runtime that never fails.
func carryOut(r *Record, s Step, now time.Time) {
	i := r.box(s.Container)
	switch s.Kind {
	case Admit:
		r.Admitted = true
	case Prepare:
		r.Prepared = true
	case Fail:
		r.Reason = s.Reason
	case Pull:
		r.Containers[i].Phase = Pulled
	case Create:
		r.Containers[i].Phase, r.Containers[i].RuntimeID = Created, s.Container
	case Start:
		r.Containers[i].Phase, r.Containers[i].StartedAt, r.Containers[i].FirstStart = Running, now, now
	case Stop:
		r.Containers[i].Phase, r.Containers[i].ExitCode = Stopped, new(0)
	case Skip:
		ended(r, i, "", now)
	}
	advance(r, now)
}

// A task may be stopped at any time, and any container may end by itself. No container starts before those it
// depends on. None is stopped before those that depend on it. Reported states only move forward, and in the
// end the task has stopped.
func TestPlanIsSafeAndEnds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := anyTask().Draw(t, "task")
		now, reports, reported := epoch, 0, 0
		for step := 0; r.Status != StatusStopped; step++ {
			if step > 200 {
				t.Fatalf("the task does not end: %+v", r)
			}
			now = now.Add(time.Second)
			if step > 100 || rapid.IntRange(0, 30).Draw(t, "stop") == 0 {
				r.Desired = acs.DesiredStopped
			}
			if i := rapid.IntRange(0, 3*len(r.Containers)).Draw(t, "ends"); i < len(r.Containers) &&
				r.Containers[i].Phase == Running && !r.Containers[i].Pause {
				r.Containers[i].Phase, r.Containers[i].ExitCode = Stopped, new(rapid.IntRange(0, 1).Draw(t, "code"))
				advance(&r, now)
			}
			steps, _ := plan(&r, now)
			for _, s := range steps {
				check(t, &r, s, now)
			}
			if len(steps) > 0 {
				carryOut(&r, steps[rapid.IntRange(0, len(steps)-1).Draw(t, "which")], now)
			}
			if report, mark := nextReport(&r, now); report != nil && rapid.Bool().Draw(t, "report") {
				if n := order(report.Status); n < reported {
					t.Fatalf("%s reported after %s", report.Status, r.ConfirmedStatus)
				} else {
					reported = n
				}
				mark(&r)
				if reports++; reports > 50 {
					t.Fatal("reports do not end")
				}
			}
		}
		for report, mark := nextReport(&r, now); report != nil; report, mark = nextReport(&r, now) {
			mark(&r)
			reported = order(report.Status)
		}
		if reported != order(StatusStopped) {
			t.Fatalf("the end was not reported: %+v", r)
		}
	})
}

func check(t *rapid.T, r *Record, s Step, now time.Time) {
	i := r.box(s.Container)
	switch s.Kind {
	case Create, Start:
		if !r.wanted() {
			t.Fatalf("%s %s though the task is not wanted", s.Kind, s.Container)
		}
		for _, d := range needs(r, i) {
			if met, _ := condition(&r.Containers[r.box(d.ContainerName)], d.Condition); !met && s.Kind == Create {
				t.Fatalf("%s is created before %s is %s", s.Container, d.ContainerName, d.Condition)
			}
		}
	case Stop:
		for j := range r.Containers {
			for _, d := range needs(r, j) {
				if d.ContainerName == s.Container && r.Containers[j].Phase == Running {
					t.Fatalf("%s is stopped under %s", s.Container, r.Containers[j].Def.Name)
				}
			}
		}
	}
}

func TestPauseProgramIsAnExecutable(t *testing.T) {
	for _, arch := range []string{"amd64", "arm64"} {
		program, err := pauseProgram(arch)
		if err != nil || string(program[:4]) != "\x7fELF" || len(program) > 200 {
			t.Errorf("%s: %d bytes, %v", arch, len(program), err)
		}
	}
	if _, err := pauseProgram("mips"); err == nil {
		t.Error("there is a program for mips")
	}
}
