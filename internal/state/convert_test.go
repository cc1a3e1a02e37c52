package state

import (
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const oldService1 = "arn:aws:ecs:us-east-1:123456789012:service/c/s"

// oldRow makes a service's row in the form of older versions, with status, scheduling strategy and
// deployments in it.
func oldRow(status, strategy, deployments string) string {
	return fmt.Sprintf(
		`[{"t":"ecs.services","k":%[1]q,"v":{"ServiceARN":%[1]q,"Status":%[2]q,"SchedulingStrategy":%[3]q,
		"DesiredCount":2,"TaskDefinition":"td:1","LaunchType":"EC2",
		"CreatedAt":"2026-01-01T00:00:00Z","NextEvent":7,"Unplaced":1,
		"Deployments":%[4]s}}]`, oldService1, status, strategy, deployments)
}

func oldDeploymentRow(n int, status, rollout, reason, completed string) string {
	return fmt.Sprintf(
		`{"ID":"ecs-svc/%[1]d","Status":%[2]q,"TaskDefinition":"td:%[1]d","DesiredCount":2,"FailedTasks":%[1]d,
		"RolloutState":%[3]q,"RolloutStateReason":%[4]q,
		"CreatedAt":"2026-01-0%[1]dT00:00:00Z","UpdatedAt":"2026-01-0%[1]dT01:00:00Z"%[5]s}`,
		n, status, rollout, reason, completed)
}

const atNoon = `,"CompletedAt":"2026-01-01T12:00:00Z"`

// The test compares all service deployments after the conversion, the oldest first.
func TestServicesAreConverted(t *testing.T) {
	const completed = "1 SUCCESSFUL ECS deployment ecs-svc/1 completed."
	first := oldDeploymentRow(1, "ACTIVE", "COMPLETED", "done", atNoon)
	for name, c := range map[string]struct {
		row  string
		want []string
	}{
		"completed": {oldRow("ACTIVE", "REPLICA", "["+oldDeploymentRow(1, "PRIMARY", "COMPLETED", "done", atNoon)+"]"),
			[]string{"1 SUCCESSFUL done"}},
		"under way": {oldRow("ACTIVE", "REPLICA",
			"["+oldDeploymentRow(2, "PRIMARY", "IN_PROGRESS", "goes on", "")+","+first+"]"),
			[]string{completed, "2 IN_PROGRESS "}},
		"superseded": {oldRow("ACTIVE", "REPLICA", "["+oldDeploymentRow(2, "PRIMARY", "IN_PROGRESS", "goes on", "")+","+
			oldDeploymentRow(1, "ACTIVE", "IN_PROGRESS", "went on", "")+"]"),
			[]string{"1 STOPPED A newer service deployment was started.", "2 IN_PROGRESS "}},
		"failed": {oldRow("ACTIVE", "DAEMON",
			"["+oldDeploymentRow(2, "PRIMARY", "FAILED", "it failed", "")+","+first+"]"),
			[]string{completed, "2 STOPPED it failed"}},
		"rolling back": {oldRow("ACTIVE", "REPLICA",
			"["+oldDeploymentRow(1, "PRIMARY", "IN_PROGRESS", "rolling back", atNoon)+","+
				oldDeploymentRow(2, "ACTIVE", "FAILED", "rolling back", "")+"]"),
			[]string{completed, "2 ROLLBACK_IN_PROGRESS rolling back to 1 after 2"}},
		"deleted": {oldRow("INACTIVE", "REPLICA", "null"), []string{"1 SUCCESSFUL "}},
	} {
		t.Run(name, func(t *testing.T) {
			j := mem.New()
			if err := j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1, Data: []byte(c.row)}}); err != nil {
				t.Fatal(err)
			}
			for range 2 { // the second time there is nothing to convert
				s, err := Open(t.Context(), j, slog.New(slog.DiscardHandler))
				if err != nil {
					t.Fatal(err)
				}
				v := s.View()
				if got := deploymentLines(&v.Tables); v.Rev != 2 || !slices.Equal(got, c.want) {
					t.Errorf("revision %d: %q, want %q", v.Rev, got, c.want)
				}
				if p := v.Progress(oldService1); p.Unplaced != 1 || p.Primary() == nil {
					t.Errorf("progress %+v", p)
				}
				if err := s.Close(); err != nil {
					t.Fatal(err)
				}
				j = j.Reopen()
			}
		})
	}
}

// No member of a service or a deployment in the old form is lost.
func TestEveryMemberOfAServiceIsConverted(t *testing.T) {
	day := func(n int) time.Time { return time.Date(2026, 1, n, 0, 0, 0, 0, time.UTC) }
	network := func(subnet string) *ecs.NetworkConfiguration {
		return &ecs.NetworkConfiguration{AwsvpcConfiguration: &ecs.AwsvpcConfiguration{Subnets: []string{subnet}}}
	}
	deployment := func(n int, status string) oldDeployment {
		return oldDeployment{
			ecs.Deployment{
				ID: fmt.Sprint("ecs-svc/", n), Status: status, DesiredCount: n + 1, FailedTasks: n + 2,
				LastFailureReason: "it ended", RolloutState: ecs.RolloutInProgress, RolloutStateReason: "it goes on",
				CreatedAt: day(n), UpdatedAt: day(n + 1), CompletedAt: day(n + 2),
				FailedBy: ecs.FailedByBreaker, TriggeredAlarms: []string{"slow"}, BakeUntil: day(n + 6),
				Attempts: n + 3, LastFailure: day(n + 4), RetryAt: day(n + 5),
			},
			fmt.Sprint("td:", n), "EC2", []ecs.LoadBalancer{{TargetGroupARN: fmt.Sprint("tg", n), ContainerPort: n}},
			network(fmt.Sprint("subnet", n)),
		}
	}
	old := oldService{
		TaskDefinition: "td:2", LoadBalancers: []ecs.LoadBalancer{{ContainerPort: 9}},
		NetworkConfiguration: &ecs.NetworkConfiguration{},
		Deployments: []oldDeployment{
			deployment(2, ecs.DeploymentPrimary), deployment(1, ecs.DeploymentActive),
		},
		Rebalancing: true, Unplaced: 3, SteadyAt: day(10), LastComplaint: "no room", LastComplaintAt: day(11),
	}
	for _, v := range []any{old, old.Deployments[0], old.Deployments[0].Deployment} {
		v := reflect.ValueOf(v)
		for i := range v.NumField() {
			if name := v.Type().Field(i).Name; v.Field(i).IsZero() && name != "Revision" {
				t.Fatalf("the test has no value for %s.%s", v.Type(), name)
			}
		}
	}
	members := map[string]any{}
	text, err := json.Marshal(old)
	if err = errors.Join(err, json.Unmarshal(text, &members)); err != nil {
		t.Fatal(err)
	}
	maps.Copy(members, map[string]any{"ServiceARN": oldService1, "ClusterARN": "c", "Status": ecs.ServiceActive,
		"SchedulingStrategy": ecs.Replica, "CreatedAt": day(1), "NextEvent": 7})
	row, err := json.Marshal([]map[string]any{{"t": "ecs.services", "k": oldService1, "v": members}})
	if err != nil {
		t.Fatal(err)
	}
	j := mem.New()
	if err := j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1, Data: row}}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), j, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	got := s.View().Progress(oldService1)
	want := &ecs.ServiceProgress{
		ServiceARN: oldService1, ServiceDeploymentARN: got.ServiceDeploymentARN,
		Rebalancing: true, Unplaced: 3, SteadyAt: day(10), LastComplaint: "no room", LastComplaintAt: day(11),
	}
	for _, d := range old.Deployments {
		d.Revision = ecs.ServiceRevision{
			ServiceRevisionARN: ecs.ServiceRevisionARN(oldService1, strings.TrimPrefix(d.ID, "ecs-svc/")),
			ServiceARN:         oldService1, ClusterARN: "c",
			TaskDefinition: d.TaskDefinition, LaunchType: d.LaunchType, LoadBalancers: d.LoadBalancers,
			NetworkConfiguration: d.NetworkConfiguration, CreatedAt: d.CreatedAt,
		}
		want.Deployments = append(want.Deployments, d.Deployment)
		stored, _ := s.View().ServiceRevisions.Get(d.Revision.ServiceRevisionARN)
		if stored == nil || !reflect.DeepEqual(*stored, d.Revision) {
			t.Errorf("the stored revision is %+v, want %+v", stored, d.Revision)
		}
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("progress %+v\nwant %+v", got, want)
	}
	if d := s.View().LatestDeployment(oldService1); d == nil || d.TargetServiceRevision.ARN !=
		want.Deployments[0].Revision.ServiceRevisionARN {
		t.Errorf("the latest service deployment is %+v", d)
	}
}

// Older versions stored client tokens in rows of their own. The conversion moves them to the tasks, and drops
// those of tasks that no longer exist.
func TestTokensAreConverted(t *testing.T) {
	const rows = `[{"t":"ecs.tasks","k":"a","v":{"TaskARN":"a","ClusterARN":"c","LastStatus":"RUNNING"}},
		{"t":"ecs.tasks","k":"b","v":{"TaskARN":"b","ClusterARN":"c"}},
		{"t":"ecs.tokens","k":"c/RunTask/once","v":{"ClusterARN":"c","Action":"RunTask","ClientToken":"once",
		"ParameterHash":"h","ARNs":["a","gone"],"ExpiresAt":"2026-01-01T00:00:00Z"}}]`
	j := mem.New()
	if err := j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1, Data: []byte(rows)}}); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the second time there is nothing to convert
		s, err := Open(t.Context(), j, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		v := s.View()
		found := slices.Collect(v.Tasks.By(TasksByClientToken, TokenEntry("c", "once")))
		if v.Rev != 2 || v.Tokens.Len() != 0 || v.Tasks.Len() != 2 || len(found) != 1 || found[0].TaskARN != "a" ||
			found[0].ParameterHash != "h" || found[0].LastStatus != ecs.Running {
			t.Errorf("revision %d, %d tokens, tasks with the token: %+v", v.Rev, v.Tokens.Len(), found)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		j = j.Reopen()
	}
}

func deploymentLines(t *Tables) (list []string) {
	all := slices.SortedFunc(t.ServiceDeployments.By(ServiceDeploymentsByService, oldService1),
		func(a, b *ecs.ServiceDeployment) int {
			return a.CreatedAt.Compare(b.CreatedAt)
		})
	for _, d := range all {
		rev, ok := t.ServiceRevisions.Get(d.TargetServiceRevision.ARN)
		if !ok {
			return append(list, "no revision "+d.TargetServiceRevision.ARN)
		}
		line := strings.TrimPrefix(rev.TaskDefinition, "td:") + " " + d.Status + " " + d.StatusReason
		if d.Rollback != nil {
			back, _ := t.ServiceRevisions.Get(d.Rollback.ServiceRevisionARN)
			line += fmt.Sprintf(" to %s after %d", strings.TrimPrefix(back.TaskDefinition, "td:"), d.FailedTasks)
		}
		list = append(list, line)
	}
	return list
}

// The version before does not know the new tables, and refuses to open a journal with rows of them.
func TestTheVersionBeforeRefuses(t *testing.T) {
	j := mem.New()
	row := oldRow("ACTIVE", "REPLICA", "["+oldDeploymentRow(1, "PRIMARY", "COMPLETED", "done", atNoon)+"]")
	if err := j.Append(t.Context(), []journal.Entry{{Rev: 1, Term: 1, Data: []byte(row)}}); err != nil {
		t.Fatal(err)
	}
	s, err := Open(t.Context(), j, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	before := newLoader()
	for _, table := range []string{"ecs.service-progress", "ecs.service-deployments", "ecs.service-revisions"} {
		delete(before.tables, table)
	}
	for e, err := range j.Reopen().Replay(t.Context(), 0) {
		if err != nil {
			t.Fatal(err)
		}
		err := before.load(e.Data)
		switch {
		case e.Rev == 1 && err != nil:
			t.Fatal(err)
		case e.Rev == 2 && (err == nil || !strings.Contains(err.Error(), "was written by a newer version")):
			t.Fatalf("the version before accepts the converted rows: %v", err)
		}
	}
}
