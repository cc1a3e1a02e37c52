package chaos

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/berthhq/berth/test/harness"
)

// How many tasks BenchmarkRealTasks starts, and how much longer than docker run that may take.
const (
	realTasks     = 60
	realInstances = 8
	rounds        = 3
	mostOverRun   = 1.2
)

// BenchmarkRealTasks measures the time from the call that requests 60 tasks on eight container instances of this
// machine until all are RUNNING. It compares it with docker run of as many containers of the same image, all at once,
// as the agents start theirs. Rounds of both alternate, and the medians are compared.
func BenchmarkRealTasks(b *testing.B) {
	harness.Need(b, harness.DockerEngine())
	s := harness.Start(b, harness.Config{})
	k := launch(b, s, realInstances)
	image := k.Push(b, "web")
	k.register(b, "web", image, 3000)
	k.Connected(b, cluster, realInstances)
	k.Call(b, "ecs", "CreateService", object{
		"cluster": cluster, "serviceName": service, "taskDefinition": "web", "desiredCount": 0,
	}, nil)
	k.scale(b, 1) // Docker has pulled the image
	local := k.imageOfAContainer(b)
	k.scale(b, 0)
	for b.Loop() {
		var ours, dockers []time.Duration
		for range rounds {
			ours = append(ours, k.scale(b, realTasks))
			k.scale(b, 0)
			dockers = append(dockers, k.dockerRun(b, local))
		}
		our, docker := median(ours), median(dockers)
		b.ReportMetric(float64(our.Milliseconds()), "ms/60-tasks")
		b.ReportMetric(float64(docker.Milliseconds()), "ms/60-docker-run")
		b.ReportMetric(our.Seconds()/docker.Seconds(), "x-docker-run")
		if our.Seconds() > mostOverRun*docker.Seconds() {
			b.Errorf("60 tasks took %v (%v), docker run %v (%v): more than %.1f times as long",
				our, ours, docker, dockers, mostOverRun)
		}
	}
}

func median(all []time.Duration) time.Duration {
	slices.Sort(all)
	return all[len(all)/2]
}

// scale sets the desired count, and returns how long it takes until exactly that many tasks run.
func (k stack) scale(b *testing.B, tasks int) time.Duration {
	b.Helper()
	began := time.Now()
	k.Call(b, "ecs", "UpdateService", object{"cluster": cluster, "service": service, "desiredCount": tasks}, nil)
	harness.Until(b, 3*time.Minute, fmt.Sprint(tasks, " tasks run"), func() string {
		var out struct {
			Clusters []struct{ RunningTasksCount, PendingTasksCount int }
		}
		k.Call(b, "ecs", "DescribeClusters", object{"clusters": list{cluster}}, &out)
		if c := out.Clusters[0]; c.RunningTasksCount != tasks || c.PendingTasksCount > 0 {
			return fmt.Sprintf("%d run, %d are pending", c.RunningTasksCount, c.PendingTasksCount)
		}
		return ""
	})
	return time.Since(began)
}

// imageOfAContainer returns Docker's id of the image that a task runs.
func (k stack) imageOfAContainer(b *testing.B) string {
	b.Helper()
	_, like := anyOf(k.containers(b))
	image, err := k.Docker("inspect", "--format", "{{.Image}}", like)
	if err != nil {
		b.Fatal(err)
	}
	return strings.TrimSpace(string(image))
}

// dockerRun returns how long docker run takes for as many containers as the tasks have, with their settings.
func (k stack) dockerRun(b *testing.B, image string) time.Duration {
	b.Helper()
	ids := make([]string, realTasks)
	began := time.Now()
	var group errgroup.Group
	for i := range ids {
		group.Go(func() error {
			id, err := k.Docker("run", "--detach", "--publish", "127.0.0.1::3000", "--memory", "64m",
				"--cpu-shares", "32", image)
			ids[i] = strings.TrimSpace(string(id))
			return err
		})
	}
	err := group.Wait()
	took := time.Since(began)
	if _, rmErr := k.Docker(append([]string{"rm", "--force"}, ids...)...); err == nil {
		err = rmErr
	}
	if err != nil {
		b.Fatal(err)
	}
	return took
}
