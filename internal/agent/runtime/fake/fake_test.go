package fake_test

import (
	"context"
	"errors"
	"strconv"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
	"github.com/berthhq/berth/internal/agent/runtime/runtimetest"
)

// specimen behaves like the specimen program of runtimetest.
func specimen(ctx context.Context, p *fake.Process) int {
	switch args := append(p.Args, ""); args[0] {
	case "exit":
		code, _ := strconv.Atoi(args[1])
		return code
	case "print":
		for _, line := range p.Args[1:] {
			p.Print(line)
		}
		return 0
	case "touch":
		return 0
	case "stubborn":
		p.Print("ignoring SIGTERM")
		<-ctx.Done()
		return 137
	}
	p.Print("serving")
	return fake.Serve(ctx, p)
}

func TestSuite(t *testing.T) {
	e := fake.New()
	t.Cleanup(e.Close)
	e.Load("specimen:1", specimen)
	runtimetest.Run(t, runtimetest.Subject{Runtime: e, Image: "specimen:1", Prefix: "fake"})
}

func TestDownEndsStreamsAndKeepsContainers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e := fake.New()
		defer e.Close()
		e.Load("specimen:1", specimen)
		id, err := e.Create(t.Context(), runtime.Spec{Name: "a", Image: "specimen:1", Command: []string{"serve"}})
		if err != nil {
			t.Fatal(err)
		}
		if err := e.Start(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		events, err := e.Watch(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		e.Down()
		if event, open := <-events; open {
			t.Errorf("event %+v after Down", event)
		}
		if _, err := e.Inspect(t.Context(), id); !errors.Is(err, runtime.ErrUnavailable) {
			t.Errorf("Inspect while down: %v", err)
		}
		time.Sleep(time.Hour)
		e.Up()
		if c, err := e.Inspect(t.Context(), id); err != nil || c.State != runtime.Running {
			t.Errorf("after Up: %+v, %v", c, err)
		}
	})
}
