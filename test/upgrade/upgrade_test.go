package upgrade_test

import (
	"bytes"
	"log/slog"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/bolt"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/test/upgrade"
)

func open(t *testing.T, dir string) *state.Store {
	t.Helper()
	j, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(t.Context(), j, slog.New(slog.NewTextHandler(t.Output(), nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	return store
}

// After the first start with a data directory of format 1, and after the next, everything is there.
func TestFormat1(t *testing.T) {
	dir := upgrade.Format1(t)
	if _, err := config.Open(dir, "123456789012"); err != nil {
		t.Error(err)
	}
	for _, start := range []string{"first", "second"} {
		store := open(t, dir)
		if start == "first" && store.View().Rev < 50 {
			t.Errorf("revision %d; its history should be longer", store.View().Rev)
		}
		v := &store.View().Tables
		for s := range v.Services.All() {
			if n := len(v.Progress(s.ServiceARN).Deployments); s.ServiceName != "shop" ||
				s.DesiredCount != 2 || n != 2 {
				t.Errorf("%s start: service %s wants %d tasks and has %d deployments", start,
					s.ServiceName, s.DesiredCount, n)
			}
			if tags := s.Tags; len(tags) != 1 {
				t.Errorf("%s start: tags of the service: %v", start, tags)
			}
		}
		running := 0
		for task := range v.Tasks.All() {
			if task.LastStatus == "RUNNING" {
				running++
			}
		}
		for what, n := range map[string][2]int{
			"clusters": {v.Clusters.Len(), 1}, "services": {v.Services.Len(), 1}, "running tasks": {running, 3},
			"task definitions": {v.TaskDefinitions.Len(), 2}, "container instances": {v.ContainerInstances.Len(), 2},
			"instances": {v.Instances.Len(), 2}, "Auto Scaling groups": {v.AutoScalingGroups.Len(), 1},
			"load balancers": {v.LoadBalancers.Len(), 1}, "listeners": {v.Listeners.Len(), 1},
			"target groups": {v.TargetGroups.Len(), 1}, "repositories": {v.Repositories.Len(), 1},
			"images": {v.Images.Len(), 1}, "log groups": {v.LogGroups.Len(), 1},
		} {
			if n[0] != n[1] {
				t.Errorf("%s start: %d %s, want %d", start, n[0], what, n[1])
			}
		}
		logsAndImages(t, dir, v)
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// The one row of each service is converted to rows for its request, its progress, its deployments and its revisions.
// The second start converts nothing. The tasks are as before.
func TestServicesOfOneRow(t *testing.T) {
	dir := upgrade.Format2(t)
	var rev uint64
	for _, start := range []string{"first", "second"} {
		store := open(t, dir)
		v := &store.View().Tables
		if rev == 0 {
			rev = store.View().Rev
		} else if store.View().Rev != rev {
			t.Errorf("the second start wrote revision %d after %d", store.View().Rev, rev)
		}
		tasks := map[ecs.TaskStatus]int{}
		for task := range v.Tasks.All() {
			tasks[task.LastStatus]++
		}
		if tasks[ecs.Running] != 5 || tasks[ecs.Stopped] != 1 {
			t.Errorf("%s start: tasks %v, want five that run and one that has stopped", start, tasks)
		}
		for s := range v.Services.All() {
			switch s.ServiceName {
			case "shop":
				underWay(t, v, s)
			case "daemon":
				if n := v.Progress(s.ServiceARN).DesiredCount(s); n != 2 || s.DesiredCount != 0 {
					t.Errorf("%s start: the daemon desires %d tasks and asks for %d, want 2 and 0",
						start, n, s.DesiredCount)
				}
			case "gone":
				if s.Status != ecs.ServiceInactive || v.Progress(s.ServiceARN).Current().TaskDefinition == "" {
					t.Errorf("%s start: %s is %s, of %+v", start, s.ServiceName, s.Status, v.Progress(s.ServiceARN))
				}
			}
			if d := v.LatestDeployment(s.ServiceARN); d == nil {
				t.Errorf("%s start: %s has no service deployment", start, s.ServiceName)
			}
		}
		if err := store.Close(); err != nil {
			t.Fatal(err)
		}
	}
}

// underWay checks the service whose deployment was under way.
func underWay(t *testing.T, v *state.Tables, s *ecs.Service) {
	t.Helper()
	p := v.Progress(s.ServiceARN)
	if len(p.Deployments) != 2 || s.DesiredCount != 2 {
		t.Fatalf("%d deployments, %d tasks desired", len(p.Deployments), s.DesiredCount)
	}
	first, second := p.Deployments[1], p.Deployments[0]
	if second.Status != ecs.DeploymentPrimary || second.FailedTasks == 0 ||
		!strings.HasSuffix(second.Revision.TaskDefinition, "/shop:2") ||
		first.Status != ecs.DeploymentActive || first.CompletedAt.IsZero() ||
		!strings.HasSuffix(first.Revision.TaskDefinition, "/shop:1") {
		t.Errorf("deployments %+v", p.Deployments)
	}
	for _, d := range p.Deployments {
		if r, ok := v.ServiceRevisions.Get(d.Revision.ServiceRevisionARN); !ok || r.DeploymentID() != d.ID {
			t.Errorf("revision of %s: %+v", d.ID, r)
		}
	}
	d := v.LatestDeployment(s.ServiceARN)
	if d.Status != ecs.ServiceDeploymentInProgress ||
		d.TargetServiceRevision.ARN != second.Revision.ServiceRevisionARN ||
		len(d.SourceServiceRevisions) != 1 || d.SourceServiceRevisions[0].ARN != first.Revision.ServiceRevisionARN {
		t.Errorf("service deployment %+v", d)
	}
}

func logsAndImages(t *testing.T, dir string, v *state.Tables) {
	t.Helper()
	logs, err := logstore.Open(filepath.Join(dir, "logs"), logstore.Limits{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer logs.Close()
	for g := range v.LogGroups.All() {
		events, _, err := logs.Read(g.ID, logstore.Query{})
		if err != nil || len(events) != 5 {
			t.Errorf("log group %s has %d events, want 5 (%v)", g.Name, len(events), err)
		}
	}
	blobs, err := blob.Open(filepath.Join(dir, "registry"))
	if err != nil {
		t.Fatal(err)
	}
	for i := range v.Images.All() {
		if content, err := blobs.Read(i.Digest, 1<<20); err != nil || blob.Digest(content) != i.Digest {
			t.Errorf("manifest %s: %v", i.Digest, err)
		}
	}
}

// If an upgrade is interrupted at any moment, the next start does it again.
func TestUpgradeCutShort(t *testing.T) {
	dir := upgrade.Format1(t)
	old, err := os.ReadFile(filepath.Join(dir, file.GuardFile))
	if err != nil {
		t.Fatal(err)
	}
	want := open(t, dir).View().Rev
	// The journal was written, and the file of format 1 was not replaced yet.
	again := upgrade.Format1(t)
	if err := os.WriteFile(filepath.Join(again, file.JournalFile), []byte("of the attempt before"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := open(t, again).View().Rev; got != want {
		t.Errorf("revision %d, want %d", got, want)
	}
	if now, err := os.ReadFile(filepath.Join(again, file.GuardFile)); err != nil || bytes.Equal(now, old) {
		t.Errorf("the file of format 1 is still in place (%v)", err)
	}
}

// If a file of format 1 is damaged, opening it is an error, or everything can still be read. Nothing panics.
func TestFormat1Damaged(t *testing.T) {
	dir := upgrade.Format1(t)
	path := filepath.Join(dir, file.GuardFile)
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	refused := 0
	read := func(harmed []byte) {
		t.Helper()
		if err := os.WriteFile(path, harmed, 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := bolt.Read(path)
		if err == nil {
			for _, e := range f.History() {
				if e != nil {
					err = e
				}
			}
		}
		if err != nil {
			refused++
			if !strings.Contains(err.Error(), path) {
				t.Fatalf("%v; want an error that names the file", err)
			}
		}
	}
	page := os.Getpagesize()
	// After the pages in use there is only space that the library has added, so from some size on a file is complete.
	// Every shorter one is refused.
	whole := false
	for size := 0; size < len(content); size += page {
		before := refused
		read(content[:size])
		if refused == before {
			whole = true
		} else if whole {
			t.Errorf("a file of %d bytes was refused, and a shorter one was not", size)
		}
	}
	if refused < 10 {
		t.Errorf("%d of the truncated files were refused", refused)
	}
	random := rand.New(rand.NewPCG(1, 2))
	for range 400 {
		harmed := bytes.Clone(content)
		at := random.IntN(len(bytes.TrimRight(content, "\x00")))
		if random.IntN(2) == 0 { // damage in the heads of pages has the largest effect
			at = at/page*page + random.IntN(64)
		}
		harmed[at] ^= 1 << random.IntN(8)
		read(harmed)
	}
}
