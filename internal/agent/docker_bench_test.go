package agent

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// BenchmarkTaskStart measures the time from the payload of a task to the report that it runs, and the time that Docker
// itself needs to create and start such a container.
func BenchmarkTaskStart(b *testing.B) {
	e := dockerEngine(b)
	p := newPlane(b)
	cfg := machine(b, p, e, 8)
	startAgent(b, cfg, e, Surroundings{})
	p.wait("the ACS session", func() bool { return p.acs != nil })
	var ours, dockers time.Duration
	for n := int64(1); b.Loop(); n++ {
		task := webTask(fmt.Sprintf("%032x", 0xbe00+n))
		task.Containers[0].HealthCheckType, task.Containers[0].DockerConfig.Config = "", ""
		began := time.Now()
		p.run(n, task)
		p.waitFor(task.ARN, engine.StatusRunning)
		ours += time.Since(began)
		p.run(n, acs.Task{ARN: task.ARN, DesiredStatus: acs.DesiredStopped})
		p.waitFor(task.ARN, engine.StatusStopped)

		began = time.Now()
		id, err := e.Create(b.Context(), runtime.Spec{
			Name: fmt.Sprintf("berth-agenttest-peer-%d", n), Image: specimen, Command: []string{"serve"},
			MemoryBytes: 64 << 20,
			Labels:      map[string]string{engine.LabelInstance: cfg.InstanceID},
			Network:     runtime.Attachment{Network: cfg.NetworkPrefix + "-" + cfg.InstanceID},
			Ports: []runtime.Port{
				{HostIP: cfg.BindAddress, HostPort: 29000 + int(n), ContainerPort: 8080, Protocol: "tcp"},
			},
		})
		if err == nil {
			err = e.Start(b.Context(), id)
		}
		if err != nil {
			b.Fatal(err)
		}
		dockers += time.Since(began)
		if err := e.Remove(b.Context(), id); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(ours.Milliseconds())/float64(b.N), "ms/task")
	b.ReportMetric(float64(ours)/float64(dockers), "x-docker")
}
