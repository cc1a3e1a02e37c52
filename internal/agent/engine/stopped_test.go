package engine

import (
	"fmt"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/acs"
)

// A service that crashes again and again leaves at most the allowed number of stopped containers, the newest
// ones, also after a restart of the agent. A container stays until its log was sent completely.
func TestStoppedTasksAreBounded(t *testing.T) {
	inBubble(t, func(t *testing.T, b *bench) {
		b.cfg.MaxStopped = 3
		stop := b.run()
		crash := func(first, last int) {
			for n := first; n <= last; n++ {
				c := container("web", "fail:1")
				c.DockerConfig = acs.DockerConfig{
					HostConfig: `{"LogConfig":{"Type":"awslogs","Config":{"awslogs-group":"g"}}}`,
				}
				b.apply(taskOf(fmt.Sprint("t", n), c))
				b.settle(10 * time.Second)
			}
		}
		kept := func(want ...string) {
			t.Helper()
			containers, err := b.rt.List(t.Context(), LabelInstance, b.cfg.Instance)
			if err != nil || len(containers) != len(want) || len(b.e.Tasks()) != len(want) {
				t.Fatalf("%d containers of %d tasks are kept, want %v (%v)", len(containers),
					len(b.e.Tasks()), want, err)
			}
			for _, id := range want {
				b.record(id)
			}
		}
		crash(1, 10)
		kept("t8", "t9", "t10")
		b.unshipped.Store(true)
		crash(11, 12)
		kept("t8", "t9", "t10", "t11", "t12")
		stop()
		b.run()
		b.settle(10 * time.Second)
		kept("t8", "t9", "t10", "t11", "t12")
		b.unshipped.Store(false)
		b.settle(10 * time.Second)
		kept("t10", "t11", "t12")
		b.settle(b.cfg.CleanupWait)
		kept()
	})
}
