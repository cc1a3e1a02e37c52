package chaos

import (
	"maps"
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// kills returns how often the server is killed: 20 times, or $CHAOS_KILLS times.
func kills(t *testing.T) int {
	text := os.Getenv("CHAOS_KILLS")
	if text == "" {
		return 20
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 1 {
		t.Fatalf("CHAOS_KILLS=%q is not a number of kills", text)
	}
	return n
}

// The server is killed many times at random moments, every fifth time while it is starting, during calls and client
// traffic. Nothing that was answered is lost, nothing is half done, containers and agents go on, and requests of
// clients fail only while the edge is down.
func TestServerKilledManyTimes(t *testing.T) {
	harness.Need(t, harness.DockerEngine())
	r := dice(t)
	k := launch(t, harness.Start(t, harness.Config{}), 2)
	k.register(t, "web", k.Push(t, "web"), 3000)
	k.Connected(t, cluster, 2)
	url := k.balanced(t, "web", 3000, 2, "/")
	k.See()
	agents := k.Agents(t)

	v := harness.Visit(url, 4)
	w := startWriters(t, k, r)
	seen := map[string]string{} // the first container of each task
	var down []span
	for i := range kills(t) {
		moment(r, 500*time.Millisecond)
		maps.Copy(seen, fresh(seen, k.containers(t)))
		from := time.Now()
		k.Kill(t)
		if i%5 == 4 {
			k.Spawn(t)
			moment(r, 80*time.Millisecond)
			k.Kill(t)
		}
		k.Run(t)
		down = append(down, span{from, time.Now()})
	}
	w.end()
	end(t, v, down)
	tellDown(t, down)

	s, err := k.service()
	if err != nil {
		t.Fatal(err)
	}
	k.steady(t, s.DesiredCount)
	k.Connected(t, cluster, 2)
	w.allRunning(t)
	w.compare(t)
	if now := k.Agents(t); !maps.Equal(now, agents) {
		t.Errorf("the agents are the processes %v, were %v", now, agents)
	}
	for arn, id := range k.containers(t) {
		if first, ok := seen[arn]; ok && first != id {
			t.Errorf("%s runs in container %s, ran in %s", arn, id, first)
		}
	}
}

// moment waits for a random part of a time, so that faults come at random moments.
func moment(r *rand.Rand, most time.Duration) {
	<-time.After(time.Duration(r.Int64N(int64(most))))
}

// fresh returns the containers of tasks that have not been seen before.
func fresh(seen, now map[string]string) map[string]string {
	out := map[string]string{}
	for arn, id := range now {
		if _, ok := seen[arn]; !ok {
			out[arn] = id
		}
	}
	return out
}

func tellDown(t *testing.T, down []span) {
	t.Helper()
	var sum, most time.Duration
	for _, d := range down {
		took := d.to.Sub(d.from)
		sum, most = sum+took, max(most, took)
	}
	t.Logf("killed %d times: from a kill until ready again %v on average, %v at most", len(down),
		sum/time.Duration(len(down)), most)
}

// allRunning waits until every task that should run is RUNNING.
func (w *writers) allRunning(t *testing.T) {
	t.Helper()
	harness.Until(t, 30*time.Second, "every task that is wanted runs and no other", func() string {
		all, err := w.tasks()
		if err != nil {
			return err.Error()
		}
		for _, x := range all {
			if x.LastStatus != x.DesiredStatus {
				return x.TaskARN + " is " + x.LastStatus + ", wanted " + x.DesiredStatus
			}
		}
		return ""
	})
}
