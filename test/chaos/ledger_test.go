package chaos

import (
	"slices"
	"strings"
	"testing"
)

// compare compares the answers that the writers got with what is there.
func (w *writers) compare(t *testing.T) {
	t.Helper()
	t.Logf("%d calls answered: %d clusters, %d task definitions, %d runs, service at %v", w.calls,
		len(w.clusters), len(w.definitions), len(w.runs), w.desired)
	if len(w.clusters) == 0 || len(w.definitions) == 0 || len(w.runs) == 0 {
		t.Error("a writer has not written anything")
	}
	w.compareClusters(t)
	w.compareDefinitions(t)
	w.compareRuns(t)
	s, err := w.service()
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Contains(w.desired, s.DesiredCount) {
		t.Errorf("the service's desired count is %d, want one of %v", s.DesiredCount, w.desired)
	}
}

func (w *writers) compareClusters(t *testing.T) {
	type cluster struct {
		ClusterName, Status string
		Tags                []struct{ Key, Value string }
	}
	found := map[string]cluster{}
	for part := range slices.Chunk(w.clusters, 100) {
		var names []string
		for _, f := range part {
			names = append(names, f.name)
		}
		var out struct{ Clusters []cluster }
		w.Call(t, "ecs", "DescribeClusters", object{"clusters": names, "include": list{"TAGS"}}, &out)
		for _, c := range out.Clusters {
			found[c.ClusterName] = c
		}
	}
	for _, f := range w.clusters {
		c, there := found[f.name]
		if !f.created.allows(there) {
			t.Errorf("cluster %s: there is %v, the client knows %+v", f.name, there, *f)
		}
		if !there {
			continue
		}
		if !f.deleted.allows(c.Status == "INACTIVE") {
			t.Errorf("cluster %s is %s, the client knows %+v", f.name, c.Status, *f)
		}
		var tags []string
		for _, tag := range c.Tags {
			tags = append(tags, tag.Key+"="+tag.Value)
		}
		slices.Sort(tags)
		first, third := "a="+f.name+" b=2", slices.Contains(tags, "c=3")
		if got := strings.Join(tags, " "); c.Status == "ACTIVE" &&
			(!f.tagged.allows(third) || got != first && got != first+" c=3") {
			t.Errorf("cluster %s has the tags %s, the client knows %+v", f.name, got, *f)
		}
	}
}

func (w *writers) compareDefinitions(t *testing.T) {
	byARN, byContent := map[string]*definitionFact{}, map[string]*definitionFact{}
	for _, f := range w.definitions {
		byContent[f.family+" "+f.content] = f
		if f.arn != "" {
			byARN[f.arn] = f
		}
	}
	for _, arn := range w.definitionARNs(t) {
		var out struct {
			TaskDefinition struct {
				Status               string
				ContainerDefinitions []struct {
					Environment []struct{ Value string }
				}
			}
		}
		w.Call(t, "ecs", "DescribeTaskDefinition", object{"taskDefinition": arn}, &out)
		family, _, _ := strings.Cut(arn[strings.LastIndexByte(arn, '/')+1:], ":")
		f := byContent[family+" "+out.TaskDefinition.ContainerDefinitions[0].Environment[0].Value]
		switch {
		case f == nil:
			t.Errorf("%s is nothing a client has asked for", arn)
		case f.arn != "" && f.arn != arn:
			t.Errorf("%s is there twice: as %s and as %s", f.content, f.arn, arn)
		case !f.removed.allows(out.TaskDefinition.Status == "INACTIVE"):
			t.Errorf("%s is %s, the client knows %+v", arn, out.TaskDefinition.Status, *f)
		}
		delete(byARN, arn)
	}
	for arn := range byARN {
		t.Errorf("%s was answered and is not there", arn)
	}
}

// definitionARNs returns the ARNs of all revisions of the writer's families.
func (w *writers) definitionARNs(t *testing.T) (arns []string) {
	for _, status := range []string{"ACTIVE", "INACTIVE"} {
		for next := ""; ; {
			in := object{"status": status}
			if next != "" {
				in["nextToken"] = next
			}
			var page struct {
				TaskDefinitionArns []string
				NextToken          string
			}
			w.Call(t, "ecs", "ListTaskDefinitions", in, &page)
			for _, arn := range page.TaskDefinitionArns {
				if strings.Contains(arn, "task-definition/f") {
					arns = append(arns, arn)
				}
			}
			if next = page.NextToken; next == "" {
				break
			}
		}
	}
	return arns
}

// compareRuns checks that exactly the tasks of each answered run are there, and that each runs in one container or was
// stopped.
func (w *writers) compareRuns(t *testing.T) {
	all, err := w.tasks()
	if err != nil {
		t.Fatal(err)
	}
	running := w.containers(t)
	by := map[string][]string{}
	for arn, x := range all {
		if strings.HasPrefix(x.StartedBy, "run") {
			by[x.StartedBy] = append(by[x.StartedBy], arn)
		}
	}
	for _, f := range w.runs {
		got := by[f.startedBy]
		delete(by, f.startedBy)
		slices.Sort(got)
		slices.Sort(f.tasks)
		if len(f.tasks) != 2 || !slices.Equal(got, f.tasks) {
			t.Errorf("%s: there are the tasks %q, answered were %q", f.startedBy, got, f.tasks)
		}
		for _, arn := range got {
			x := all[arn]
			if f.stopped && (x.LastStatus != "STOPPED" || x.StoppedReason != stopReason || running[arn] != "") {
				t.Errorf("%s was stopped: it is %s (%s), container %q", arn, x.LastStatus,
					x.StoppedReason, running[arn])
			}
			if !f.stopped && (x.LastStatus != "RUNNING" || running[arn] == "") {
				t.Errorf("%s was not stopped: it is %s (%s), container %q", arn, x.LastStatus,
					x.StoppedReason, running[arn])
			}
		}
	}
	for run, arns := range by {
		t.Errorf("no client requested %s: %q", run, arns)
	}
	for arn, x := range all {
		if x.ofService() && x.LastStatus == "STOPPED" &&
			!strings.HasPrefix(x.StoppedReason, "Scaling activity initiated by") {
			t.Errorf("%s of the service was replaced: %s", arn, x.StoppedReason)
		}
		if x.LastStatus == "RUNNING" && (len(x.Containers) != 1 || x.Containers[0].RuntimeID != running[arn]) {
			t.Errorf("%s: the API tells %+v, the container is %s", arn, x.Containers, running[arn])
		}
	}
}
