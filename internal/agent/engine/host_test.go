package engine

import (
	"net/netip"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
)

// Instances on one machine share its ports in host mode. If the port of a task is in use, the task ends with
// a reason that tells the user what to do. An instance that has a machine of its own does not check ports.
// Tasks that already run when the agent starts keep their ports.
func TestHostModePortOfTheMachineIsTaken(t *testing.T) {
	for name, c := range map[string]struct {
		address netip.Addr
		taken   bool
		runs    bool
	}{
		"free":                 {netip.MustParseAddr("127.0.1.9"), false, true},
		"taken":                {netip.MustParseAddr("127.0.1.9"), true, false},
		"a machine of its own": {netip.Addr{}, true, true},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t)
				b.cfg.BindAddress = c.address
				stop := b.run()
				b.e.ports.free = func(at netip.Addr, port int, protocol string) bool {
					return !c.taken || at != c.address || port != 3000 || protocol != "tcp"
				}
				task := taskOf("host", container("web", "serve:1"))
				task.NetworkMode = networkHost
				task.Containers[0].PortMappings = []acs.PortMapping{{ContainerPort: 3000, HostPort: 3000}}
				b.apply(task)
				b.settle(time.Minute)
				r := b.record("host")
				if runs := r.Status == StatusRunning; runs != c.runs {
					t.Fatalf("it is %v: %s", r.Status, r.Containers[0].Reason)
				}
				if reason := r.Containers[0].Reason; !c.runs &&
					(!strings.HasPrefix(reason, "CannotStartContainerError: host port 3000/tcp is in use") ||
						!strings.Contains(reason, "use networkMode bridge")) {
					t.Errorf("reason %q", reason)
				}
				stop()
				b.run()
				b.e.ports.free = func(netip.Addr, int, string) bool { return false } // the task itself uses the port
				b.settle(time.Minute)
				if again := b.record("host").Status; again != r.Status {
					t.Errorf("after a restart of the agent it is %v, was %v", again, r.Status)
				}
			})
		})
	}
}
