package usage

import (
	"context"
	"log/slog"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/fake"
)

type oneTask struct {
	id      string
	changes chan struct{}
}

func (o *oneTask) Tasks() []engine.Record {
	return []engine.Record{{
		Task: acs.Task{ARN: "arn", Family: "f", Version: "1"},
		Containers: []engine.Box{
			{Def: acs.Container{Name: "web", RestartPolicy: &acs.RestartPolicy{Enabled: true}},
				RuntimeID: o.id, Phase: engine.Running, Restarts: 2},
			{Def: acs.Container{Name: "young"}, Phase: engine.Pulled},
		},
	}}
}

func (o *oneTask) Changes() (<-chan struct{}, func()) { return o.changes, func() {} }

// CPU is a percentage of the instance and memory is in MiB. The first CPU sample is not used (ecs-agent.md
// 9.1).
func TestTwentySeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		rt := fake.New()
		defer rt.Close()
		rt.Load("serve:1", fake.Serve)
		id, err := rt.Create(t.Context(), runtime.Spec{Name: "a", Image: "serve:1"})
		if err != nil {
			t.Fatal(err)
		}
		if err := rt.Start(t.Context(), id); err != nil {
			t.Fatal(err)
		}
		tasks := &oneTask{id, make(chan struct{}, 1)}
		tasks.changes <- struct{}{}
		c := New(tasks, rt, 2048, slog.New(slog.DiscardHandler))
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() { defer close(ended); c.Run(ctx) }()
		time.Sleep(500 * time.Millisecond) // between two samples
		for second := range 20 {
			// One of the instance's two processors is busy.
			rt.Use(id, runtime.Sample{
				CPU: time.Duration(second+1) * time.Second, MemoryBytes: 64 << 20, HasNetwork: true,
				Rx: runtime.Traffic{Bytes: int64(second+1) * 1000},
			})
			time.Sleep(time.Second)
		}
		synctest.Wait()
		got := c.Take()
		if len(got) != 1 || len(got[0].Containers) != 1 {
			t.Fatalf("measured %+v", got)
		}
		m := got[0].Containers[0]
		if m.Name != "web" || m.Memory.SampleCount != 21 || m.CPU.Min != 50 || m.Memory.Max != 64 ||
			m.CPU.SampleCount != 20 || m.CPU.Max != 50 || m.Restart.RestartCount != 2 {
			t.Errorf("cpu %+v, memory %+v, %+v", m.CPU, m.Memory, m.Restart)
		}
		if m.Network.RxBytes.Max != 20000 || m.Network.RxBytesPerSecond.Max != 1000 {
			t.Errorf("network %+v %+v", m.Network.RxBytes, m.Network.RxBytesPerSecond)
		}
		if again := c.Take(); len(again) != 0 {
			t.Errorf("the second Take returns %+v", again)
		}
		if now, before, ok := c.Last(id); !ok || now.At.Sub(before.At) != time.Second {
			t.Errorf("last samples %+v, %+v, %v", now, before, ok)
		}
		cancel()
		<-ended
	})
}
