package deploy

import (
	"crypto/rand"
	"fmt"
	"log/slog"
	"regexp"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const serviceARN = "arn:aws:ecs:us-east-1:123456789012:service/c/s"

var epoch = time.Date(2026, 5, 6, 7, 8, 9, 0, time.UTC)

// world is a store with one service and its cluster.
type world struct {
	t     *testing.T
	store *state.Store
	svc   *ecs.Service
	now   time.Time
}

func newWorld(t *testing.T) *world {
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return &world{t, store,
		&ecs.Service{ServiceARN: serviceARN, Status: ecs.ServiceActive, SchedulingStrategy: ecs.Replica,
			DesiredCount: 3}, epoch}
}

func (w *world) put(fn func(*state.Tx)) {
	w.t.Helper()
	if err := w.store.Update(w.t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.t.Fatal(err)
	}
}

// start starts deployment n, with the task definition td:n, a minute after the last change.
func (w *world) start(n int) {
	w.now = w.now.Add(time.Minute)
	w.put(func(tx *state.Tx) {
		Start(tx, w.svc, ecs.ServiceRevision{TaskDefinition: fmt.Sprint("td:", n)},
			IDs{fmt.Sprint(n), fmt.Sprint("d", n)}, w.now)
	})
}

// complete does what control/service does: the newest deployment is completed, and the others are INACTIVE.
func (w *world) complete() {
	w.put(func(tx *state.Tx) {
		p := *tx.Progress(serviceARN)
		d := p.Deployments[0]
		d.RolloutState = ecs.RolloutCompleted
		p.Deployments = []ecs.Deployment{d}
		tx.ServiceProgress.Put(&p)
		latest := *tx.LatestDeployment(serviceARN)
		latest.Follow(&p, w.now)
		tx.ServiceDeployments.Put(&latest)
	})
}

func (w *world) deployment(n int) *ecs.ServiceDeployment {
	d, _ := w.store.View().ServiceDeployments.Get(ecs.ServiceDeploymentARN(serviceARN, fmt.Sprint("d", n)))
	return d
}

func TestNewIDs(t *testing.T) {
	a, b := NewIDs(rand.Reader), NewIDs(rand.Reader)
	if a == b || !regexp.MustCompile(`^[1-9][0-9]{18}$`).MatchString(a.Revision) ||
		!regexp.MustCompile(`^[A-Za-z0-9_-]{21}$`).MatchString(a.Deployment) {
		t.Errorf("%+v, %+v", a, b)
	}
}

// ecs.md 3.1.4: the newer deployment becomes PRIMARY, and the older service deployment is stopped.
func TestANewerDeploymentStopsTheOneUnderWay(t *testing.T) {
	w := newWorld(t)
	w.start(1)
	w.complete()
	w.start(2)
	w.start(3)
	v := w.store.View()
	p := v.Progress(serviceARN)
	var got []string
	for _, d := range p.Deployments {
		got = append(got, d.ID+" "+d.Status+" "+d.Revision.TaskDefinition+" "+fmt.Sprint(d.DesiredCount))
	}
	if want := "[ecs-svc/3 PRIMARY td:3 3 ecs-svc/2 ACTIVE td:2 3 ecs-svc/1 ACTIVE td:1 3]"; fmt.Sprint(got) != want {
		t.Errorf("deployments %v, want %s", got, want)
	}
	if one, two, three := w.deployment(1), w.deployment(2),
		w.deployment(3); one.Status != ecs.ServiceDeploymentSuccessful ||
		two.Status != ecs.ServiceDeploymentStopped || !two.StoppedAt.Equal(w.now) || !two.Ended() || !two.Failed() ||
		two.TargetServiceRevision.RequestedTaskCount != 3 ||
		three.Status != ecs.ServiceDeploymentInProgress || three.Ended() || len(three.SourceServiceRevisions) != 2 {
		t.Errorf("%+v\n%+v\n%+v", one, two, three)
	}
	if v.LatestDeployment(serviceARN) != w.deployment(3) || v.ServiceRevisions.Len() != 3 {
		t.Errorf("latest %+v of %d revisions", v.LatestDeployment(serviceARN), v.ServiceRevisions.Len())
	}
}

// A new deployment of a daemon has the desired count of the one before, until control/service has counted
// again.
func TestADaemonKeepsItsCount(t *testing.T) {
	w := newWorld(t)
	w.svc.SchedulingStrategy, w.svc.DesiredCount = ecs.Daemon, 0
	w.start(1)
	w.put(func(tx *state.Tx) {
		p := *tx.Progress(serviceARN)
		p.SetDeployments(p.Deployments)
		p.Deployments[0].DesiredCount = 7
		tx.ServiceProgress.Put(&p)
	})
	w.start(2)
	if n := w.store.View().Progress(serviceARN).DesiredCount(w.svc); n != 7 {
		t.Errorf("desires %d tasks, want 7", n)
	}
}

// The history of a service is bounded. A revision is deleted with the last service deployment that names it.
func TestHistoryIsBounded(t *testing.T) {
	w := newWorld(t)
	for n := range 3 * ecs.KeptServiceDeployments {
		w.start(n)
		w.complete()
	}
	v := w.store.View()
	// The oldest stored service deployment also names its source revision.
	if d, r := v.ServiceDeployments.Len(), v.ServiceRevisions.Len(); d != ecs.KeptServiceDeployments || r != d+1 {
		t.Errorf("%d service deployments and %d revisions are stored", d, r)
	}
	for d := range v.ServiceDeployments.All() {
		for _, arn := range revisions(d) {
			if _, ok := v.ServiceRevisions.Get(arn); !ok {
				t.Errorf("%s names a revision that was deleted: %s", d.ServiceDeploymentARN, arn)
			}
		}
	}
	w.now = w.now.Add(ecs.KeptServiceDeploymentsFor + time.Hour)
	w.start(-1)
	if d, r := w.store.View().ServiceDeployments.Len(), w.store.View().ServiceRevisions.Len(); d != 1 || r != 2 {
		t.Errorf("after a long time %d deployments, %d revisions; want the latest and its source", d, r)
	}
	w.put(func(tx *state.Tx) {
		tx.AddServiceEvent(serviceARN, "x", w.now)
		ForgetService(tx, serviceARN)
	})
	v = w.store.View()
	if n := v.ServiceDeployments.Len() + v.ServiceRevisions.Len() + v.ServiceProgress.Len() +
		v.ServiceEvents.Len(); n != 0 {
		t.Errorf("%d rows of a deleted service", n)
	}
}
