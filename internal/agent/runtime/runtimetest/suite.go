// Package runtimetest is the specification of a container runtime: every implementation of runtime.Runtime
// passes Run. The runtime under test needs an image of the specimen program. The tests of docker build one,
// and those of fake imitate it.
package runtimetest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Subject is a runtime under test.
type Subject struct {
	Runtime runtime.Runtime
	// Image is the name of the specimen's image.
	Image string
	// Prefix is the beginning of the names of everything that the suite makes.
	Prefix string
}

const label = "berth.runtimetest"

// Run runs the suite on the subject.
func Run(t *testing.T, s Subject) {
	for name, test := range map[string]func(*testing.T, Subject){
		"life of a container":          life,
		"stop kills after the grace":   stopKills,
		"destroying tells of the end":  destroys,
		"several callers may remove":   removedTogether,
		"events are not missed":        watches,
		"logs keep order and position": logs,
		"what is missing is not found": missing,
		"names are unique":             unique,
		"labels find containers":       labels,
		"bad documents are refused":    documents,
		"host ports are published":     ports,
		"networks":                     networks,
		"volumes":                      volumes,
		"stats while it runs":          stats,
	} {
		t.Run(name, func(t *testing.T) { test(t, s) })
	}
}

// create makes a container of the specimen. It is removed when the test ends.
func (s Subject) create(t *testing.T, change func(*runtime.Spec), args ...string) string {
	t.Helper()
	spec := runtime.Spec{
		Name:  s.Prefix + "-" + strings.NewReplacer("/", "-", " ", "-", "_", "-").Replace(strings.ToLower(t.Name())),
		Image: s.Image, Command: args, Labels: map[string]string{label: t.Name()},
		Log: &runtime.LogDriver{Type: "json-file"},
	}
	if change != nil {
		change(&spec)
	}
	id, err := s.Runtime.Create(t.Context(), spec)
	if err != nil {
		t.Fatalf("Create: %v", err)
	}
	t.Cleanup(func() {
		if err := s.Runtime.Remove(context.WithoutCancel(t.Context()), id); err != nil {
			t.Errorf("Remove: %v", err)
		}
	})
	return id
}

func (s Subject) start(t *testing.T, id string) {
	t.Helper()
	if err := s.Runtime.Start(t.Context(), id); err != nil {
		t.Fatalf("Start: %v", err)
	}
}

// ready waits until the program in the container has printed something. From then on it handles signals.
func (s Subject) ready(t *testing.T, id string) {
	t.Helper()
	for _, err := range s.Runtime.Logs(t.Context(), id, time.Time{}, true) {
		if err != nil {
			t.Fatalf("Logs: %v", err)
		}
		return
	}
	t.Fatal("the container has ended without printing anything")
}

func (s Subject) inspect(t *testing.T, id string) runtime.Container {
	t.Helper()
	c, err := s.Runtime.Inspect(t.Context(), id)
	if err != nil {
		t.Fatalf("Inspect: %v", err)
	}
	return c
}

// ended waits until the container has ended by itself.
func (s Subject) ended(t *testing.T, events <-chan runtime.Event, id string) runtime.Container {
	t.Helper()
	for event := range events {
		if event.ContainerID == id && event.Kind == runtime.EventDied {
			return s.inspect(t, id)
		}
	}
	t.Fatal("the stream of events closed")
	return runtime.Container{}
}

func (s Subject) watch(t *testing.T) <-chan runtime.Event {
	t.Helper()
	events, err := s.Runtime.Watch(t.Context())
	if err != nil {
		t.Fatalf("Watch: %v", err)
	}
	return events
}

func life(t *testing.T, s Subject) {
	id := s.create(t, nil, "serve")
	if c := s.inspect(t, id); c.State != runtime.Created || !c.StartedAt.IsZero() || c.CreatedAt.IsZero() {
		t.Errorf("after Create: %+v", c)
	} else if used, err := s.Runtime.ImageUsed(t.Context(), c.ImageID); err != nil || !used {
		t.Errorf("its image counts as unused (%v)", err)
	}
	s.start(t, id)
	s.start(t, id)
	if c := s.inspect(t, id); c.State != runtime.Running || c.StartedAt.IsZero() ||
		c.Image != s.Image || c.ImageID == "" {
		t.Errorf("after Start: %+v", c)
	}
	s.ready(t, id)
	for range 2 {
		if err := s.Runtime.Stop(t.Context(), id, 10*time.Second); err != nil {
			t.Fatalf("Stop: %v", err)
		}
	}
	if c := s.inspect(t, id); c.State != runtime.Exited || c.ExitCode != 0 || c.FinishedAt.IsZero() {
		t.Errorf("after Stop: %+v", c)
	}
	s.start(t, id)
	if c := s.inspect(t, id); c.State != runtime.Running {
		t.Errorf("after a second Start: %+v", c)
	}
	for range 2 {
		if err := s.Runtime.Remove(t.Context(), id); err != nil {
			t.Fatalf("Remove: %v", err)
		}
	}
}

func stopKills(t *testing.T, s Subject) {
	id := s.create(t, nil, "stubborn")
	s.start(t, id)
	s.ready(t, id)
	if err := s.Runtime.Stop(t.Context(), id, time.Second); err != nil {
		t.Fatalf("Stop: %v", err)
	}
	if c := s.inspect(t, id); c.State != runtime.Exited || c.ExitCode != 137 {
		t.Errorf("it is %+v", c)
	}
}

// When Destroy reports that a container is dead, its processes answer no more.
func destroys(t *testing.T, s Subject) {
	for name, run := range map[string]bool{"running": true, "created": false} {
		t.Run(name, func(t *testing.T) {
			id := s.create(t, nil, "stubborn")
			if run {
				s.start(t, id)
			}
			for range 2 {
				dead := 0
				if err := s.Runtime.Destroy(t.Context(), id, func() { dead++ }); err != nil || dead != 1 {
					t.Fatalf("Destroy: %v; dead was called %d times", err, dead)
				}
				if _, err := s.Runtime.Inspect(t.Context(), id); !errors.Is(err, runtime.ErrNotFound) {
					t.Errorf("Inspect afterwards: %v", err)
				}
			}
		})
	}
}

// Each of several callers that remove a container at the same time returns when the container is gone.
func removedTogether(t *testing.T, s Subject) {
	id := s.create(t, nil, "stubborn")
	s.start(t, id)
	s.ready(t, id)
	var callers sync.WaitGroup
	for range 4 {
		callers.Go(func() {
			if err := s.Runtime.Remove(t.Context(), id); err != nil {
				t.Errorf("Remove: %v", err)
			}
			if _, err := s.Runtime.Inspect(t.Context(), id); !errors.Is(err, runtime.ErrNotFound) {
				t.Errorf("Inspect afterwards: %v", err)
			}
		})
	}
	callers.Wait()
}

func watches(t *testing.T, s Subject) {
	events := s.watch(t)
	id := s.create(t, nil, "exit", "3")
	s.start(t, id)
	var kinds []runtime.EventKind
	for event := range events {
		if event.ContainerID != id {
			continue
		}
		if event.At.IsZero() {
			t.Errorf("%s has no time", event.Kind)
		}
		if kinds = append(kinds, event.Kind); event.Kind == runtime.EventDied {
			break
		}
	}
	if want := []runtime.EventKind{runtime.EventStarted, runtime.EventDied}; !slices.Equal(kinds, want) {
		t.Errorf("events %v, want %v", kinds, want)
	}
	if c := s.inspect(t, id); c.ExitCode != 3 {
		t.Errorf("exit code %d", c.ExitCode)
	}
}

func logs(t *testing.T, s Subject) {
	events := s.watch(t)
	id := s.create(t, nil, "print", "one", "two", "three")
	s.start(t, id)
	s.ended(t, events, id)
	read := func(since time.Time) (texts []string, last time.Time) {
		for entry, err := range s.Runtime.Logs(t.Context(), id, since, true) {
			if err != nil {
				t.Fatalf("Logs: %v", err)
			}
			texts, last = append(texts, string(entry.Text)), entry.At
		}
		return texts, last
	}
	all, last := read(time.Time{})
	if want := []string{"one\n", "two\n", "three\n"}; !slices.Equal(all, want) {
		t.Errorf("logs %q, want %q", all, want)
	}
	if rest, _ := read(last); len(rest) == 0 || rest[len(rest)-1] != "three\n" {
		t.Errorf("logs at or after the last entry: %q", rest)
	}
	if none, _ := read(last.Add(time.Nanosecond)); len(none) != 0 {
		t.Errorf("logs after the last entry: %q", none)
	}
}

func missing(t *testing.T, s Subject) {
	ctx, rt := t.Context(), s.Runtime
	_, inspect := rt.Inspect(ctx, strings.Repeat("0", 64))
	_, image := rt.Image(ctx, s.Prefix+"-nothing:1")
	_, create := rt.Create(ctx, runtime.Spec{Name: s.Prefix + "-none", Image: s.Prefix + "-nothing:1"})
	for what, err := range map[string]error{
		"Inspect": inspect, "Image": image, "Create": create, "Start": rt.Start(ctx, strings.Repeat("0", 64)),
	} {
		if !errors.Is(err, runtime.ErrNotFound) {
			t.Errorf("%s: %v", what, err)
		}
	}
	if err := rt.Remove(ctx, strings.Repeat("0", 64)); err != nil {
		t.Errorf("Remove: %v", err)
	}
}

func unique(t *testing.T, s Subject) {
	id := s.create(t, nil, "serve")
	_, err := s.Runtime.Create(t.Context(), runtime.Spec{Name: s.inspect(t, id).Name, Image: s.Image})
	if !errors.Is(err, runtime.ErrConflict) {
		t.Errorf("Create with a name in use: %v", err)
	}
}

func labels(t *testing.T, s Subject) {
	id := s.create(t, nil, "serve")
	found, err := s.Runtime.List(t.Context(), label, t.Name())
	if err != nil || len(found) != 1 || found[0].ID != id || found[0].Labels[label] != t.Name() {
		t.Errorf("List: %+v, %v", found, err)
	}
}

func documents(t *testing.T, s Subject) {
	for _, c := range []struct {
		spec runtime.Spec
		want error
	}{
		{runtime.Spec{Name: s.Prefix + "-bad", Image: s.Image, Config: `{"Env":`}, runtime.ErrConfig},
		{runtime.Spec{Name: s.Prefix + "-bad", Image: s.Image, HostConfig: `x`}, runtime.ErrHostConfig},
	} {
		if _, err := s.Runtime.Create(t.Context(), c.spec); !errors.Is(err, c.want) {
			t.Errorf("Create: %v, want %v", err, c.want)
		}
	}
}

func stats(t *testing.T, s Subject) {
	id := s.create(t, nil, "serve")
	s.start(t, id)
	var times []time.Time
	for sample, err := range s.Runtime.Stats(t.Context(), id) {
		if err != nil {
			t.Fatalf("Stats: %v", err)
		}
		if times = append(times, sample.At); len(times) == 2 {
			break
		}
	}
	if len(times) < 2 || !times[1].After(times[0]) {
		t.Errorf("samples at %v", times)
	}
	stopped := s.create(t, func(spec *runtime.Spec) { spec.Name += "-2" }, "exit", "0")
	for range s.Runtime.Stats(t.Context(), stopped) {
		t.Error("a sample of a container that does not run")
		break
	}
}

// name returns a name for what a test makes, which no other test uses.
func (s Subject) name(kind string) string { return fmt.Sprintf("%s-%s", s.Prefix, kind) }
