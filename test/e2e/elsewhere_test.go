package e2e

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// When a server listens on another port than before, as in CI jobs, its agents remove the image names that begin with
// the old address, even of images whose tasks run, and the server can start more of these tasks.
func TestServerThatListensElsewhere(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 1)
	s.serve(t, "web", s.define(t, "web", answering(probe, "here"), nil), "", 1)
	s.steady(t, "web")
	first := s.tasks(t)[0].TaskArn
	old := s.Addr()
	named := func(address string) (names []string) {
		out, err := s.Docker("images", "--digests", "--format", "{{.Repository}}:{{.Tag}} {{.Digest}}")
		if err != nil {
			t.Fatal(err)
		}
		for _, line := range harness.Lines(out) {
			if strings.HasPrefix(line, address+"/") {
				names = append(names, line)
			}
		}
		return names
	}
	if len(named(old)) == 0 {
		t.Fatal("no image was pulled from the server")
	}
	s.Stop(t)
	s.Move(t)
	s.Run(t)
	harness.Until(t, 20*time.Second, "images have no name of the old address", func() string {
		return strings.Join(named(old), "\n")
	})
	s.Call(t, "ecs", "UpdateService", object{"cluster": cluster, "service": "web", "desiredCount": 2}, nil)
	s.steady(t, "web")
	if len(named(s.Addr())) == 0 {
		t.Error("no image was pulled from the new address")
	}
	if running := s.tasks(t, first); running[0].LastStatus != "RUNNING" {
		t.Errorf("the task of before is %s", running[0].LastStatus)
	}
}
