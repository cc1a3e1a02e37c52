package chaos

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// known is what a client knows about something that it requested.
type known int

const (
	no    known = iota // it did not request it
	maybe              // it requested it and got no answer
	yes                // it was answered
)

func (k known) allows(is bool) bool { return k == maybe || (k == yes) == is }

// writers call the API, each one call after another, and record the answers.
type writers struct {
	stack
	t    *testing.T
	stop chan struct{}
	all  sync.WaitGroup

	clusters    []*clusterFact
	definitions []*definitionFact
	runs        []*runFact
	desired     []int // of the service: the last answered count and those asked for since
	calls       int   // answered, of all writers; guarded by mu
	mu          sync.Mutex
}

func startWriters(t *testing.T, k stack, r *rand.Rand) *writers {
	w := &writers{stack: k, t: t, stop: make(chan struct{}), desired: []int{2}}
	for _, write := range []func(*rand.Rand, int){w.writeCluster, w.writeDefinition, w.writeRun, w.writeDesired} {
		own := rand.New(rand.NewPCG(r.Uint64(), 0))
		w.all.Go(func() {
			pace := time.NewTicker(5 * time.Millisecond)
			defer pace.Stop()
			for i := 0; ; i++ {
				select {
				case <-w.stop:
					return
				case <-pace.C:
					write(own, i)
				}
			}
		})
	}
	return w
}

// end waits for the calls under way. The server must run.
func (w *writers) end() {
	close(w.stop)
	w.all.Wait()
}

// try makes a call once. The answer must not be a fault, except those that are possible because the writer does not
// know the result of an earlier call.
func (w *writers) try(action string, in, out any, allowed ...string) known {
	err := w.JSON("ecs", action, in, out)
	f, answered := errors.AsType[*harness.Fault](err)
	if err == nil || answered {
		w.mu.Lock()
		w.calls++
		w.mu.Unlock()
	}
	if err == nil {
		return yes
	}
	if !answered {
		return maybe
	}
	for _, code := range allowed {
		if f.Code == code {
			return no
		}
	}
	w.t.Errorf("%s %v: %v", action, in, f)
	return no
}

// insist repeats a call until it is answered.
func (w *writers) insist(action string, in, out any) {
	pace := time.NewTicker(5 * time.Millisecond)
	defer pace.Stop()
	for over := time.Now().Add(30 * time.Second); w.try(action, in, out) == maybe; <-pace.C {
		if time.Now().After(over) {
			w.t.Errorf("%s: not answered within 30 s", action)
			return
		}
	}
}

// clusterFact is what is known about one cluster.
type clusterFact struct {
	name                     string
	created, tagged, deleted known
}

func (w *writers) writeCluster(_ *rand.Rand, i int) {
	f := &clusterFact{name: fmt.Sprintf("c%d", i)}
	w.clusters = append(w.clusters, f)
	f.created = w.try("CreateCluster", object{"clusterName": f.name, "tags": list{
		object{"key": "a", "value": f.name}, object{"key": "b", "value": "2"},
	}}, nil)
	if f.created != yes {
		return
	}
	arn := fmt.Sprintf("arn:aws:ecs:%s:%s:cluster/%s", w.Region, w.Account, f.name)
	f.tagged = w.try("TagResource", object{"resourceArn": arn, "tags": list{object{"key": "c", "value": "3"}}}, nil)
	if i%2 == 0 {
		f.deleted = w.try("DeleteCluster", object{"cluster": f.name}, nil)
	}
}

// definitionFact is what is known about one revision of a task definition.
type definitionFact struct {
	family, content     string
	arn                 string // "" when the answer did not come
	registered, removed known
}

func (w *writers) writeDefinition(r *rand.Rand, i int) {
	f := &definitionFact{family: fmt.Sprintf("f%d", r.IntN(5)), content: fmt.Sprint(i)}
	w.definitions = append(w.definitions, f)
	var out struct {
		TaskDefinition struct{ TaskDefinitionARN string }
	}
	f.registered = w.try("RegisterTaskDefinition", object{"family": f.family, "containerDefinitions": list{object{
		"name": "main", "image": "none", "memory": 64,
		"environment": list{object{"name": "CONTENT", "value": f.content}},
	}}}, &out)
	if f.arn = out.TaskDefinition.TaskDefinitionARN; f.arn != "" && i%3 == 0 {
		f.removed = w.try("DeregisterTaskDefinition", object{"taskDefinition": f.arn}, nil)
	}
}

// runFact is what is known about one RunTask. The call is repeated with its token until it is answered, so its two
// tasks must be there once.
type runFact struct {
	startedBy string
	tasks     []string
	stopped   bool
}

const stopReason = "the test says so"

func (w *writers) writeRun(r *rand.Rand, i int) {
	f := &runFact{startedBy: fmt.Sprintf("run%d", i)}
	var out struct {
		Tasks    []task
		Failures []any
	}
	w.insist("RunTask", object{"cluster": cluster, "taskDefinition": "web", "count": 2,
		"clientToken": f.startedBy, "startedBy": f.startedBy}, &out)
	for _, t := range out.Tasks {
		f.tasks = append(f.tasks, t.TaskARN)
	}
	if len(out.Failures) > 0 {
		w.t.Errorf("%s: %v", f.startedBy, out.Failures)
	}
	w.runs = append(w.runs, f)
	var live []*runFact
	for _, f := range w.runs {
		if !f.stopped {
			live = append(live, f)
		}
	}
	if len(live) < 4 {
		return
	}
	f = live[r.IntN(len(live))]
	f.stopped = true
	for _, arn := range f.tasks {
		w.insist("StopTask", object{"cluster": cluster, "task": arn, "reason": stopReason}, nil)
	}
	w.settled(f)
}

// settled waits until the tasks of a stopped run have stopped, so that there are never more tasks than fit on the
// instances.
func (w *writers) settled(f *runFact) {
	pace := time.NewTicker(50 * time.Millisecond)
	defer pace.Stop()
	for over := time.Now().Add(60 * time.Second); ; <-pace.C {
		var out struct{ Tasks []task }
		w.insist("DescribeTasks", object{"cluster": cluster, "tasks": f.tasks}, &out)
		done := len(out.Tasks) == len(f.tasks)
		for _, t := range out.Tasks {
			done = done && t.LastStatus == "STOPPED"
		}
		if done {
			return
		}
		if time.Now().After(over) {
			w.t.Errorf("%s: not stopped within a minute of the answer: %+v", f.startedBy, out.Tasks)
			return
		}
	}
}

func (w *writers) writeDesired(r *rand.Rand, i int) {
	if i%40 != 0 {
		return // a service's count is not changed two hundred times a second
	}
	n := 1 + r.IntN(4)
	switch w.try("UpdateService", object{"cluster": cluster, "service": service, "desiredCount": n}, nil) {
	case yes:
		w.desired = []int{n}
	case maybe:
		w.desired = append(w.desired, n)
	}
}
