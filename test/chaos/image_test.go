package chaos

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// If an image does not exist, tasks stop with Amazon's reason, and the service tries again with growing delays and
// says why. It continues when the image is pushed.
func TestImageMissing(t *testing.T) {
	harness.Need(t, harness.DockerEngine())
	k := launch(t, harness.Start(t, harness.Config{}), 1)
	k.register(t, "late", k.ImageName("late"), 0)
	k.Connected(t, cluster, 1)
	k.Call(t, "ecs", "CreateService", object{
		"cluster": cluster, "serviceName": service, "taskDefinition": "late", "desiredCount": 1,
	}, nil)

	const unable = "is unable to consistently start tasks successfully."
	harness.Until(t, 90*time.Second, "the service throttles", func() string {
		s, err := k.service()
		if err != nil {
			return err.Error()
		}
		for _, e := range s.Events {
			if strings.Contains(e.Message, "(service "+service+") "+unable) {
				return ""
			}
		}
		return fmt.Sprintf("it says %v", s.Events)
	})
	all, err := k.tasks()
	if err != nil {
		t.Fatal(err)
	}
	stopped := 0
	for arn, x := range all {
		if x.LastStatus != "STOPPED" {
			continue
		}
		stopped++
		reason := x.Containers[0].Reason
		if !strings.HasPrefix(reason, "CannotPullContainerError: ") ||
			!strings.Contains(reason, "late") || x.StopCode != "TaskFailedToStart" ||
			!strings.HasPrefix(x.StoppedReason, "CannotPullContainerError: ") {
			t.Errorf("%s: stopCode %q, stoppedReason %q, container reason %q", arn, x.StopCode, x.StoppedReason, reason)
		}
	}
	t.Logf("%d tasks have failed so far", stopped)
	if stopped == 0 {
		t.Error("no task has stopped")
	}
	if err := k.TryPush("late", "web"); err != nil {
		t.Fatal(err)
	}
	k.steady(t, 1)
}
