package blueprint

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"log/slog"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/groupscaling"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
	"github.com/berthhq/berth/internal/tag"
)

const (
	region  = "us-east-1"
	account = "123456789012"
	group   = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/73e2d6bc24d8a067"
	rule    = "arn:aws:elasticloadbalancing:us-east-1:123456789012:listener-rule/app/web/1/2/3"
	secret  = "hunter2"
)

var now = time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)

// fill writes a small stack with a secret wherever one may be, and rows of another region.
func fill(tx *state.Tx) {
	cluster := ecs.ARN(region, account, ecs.TypeCluster, "prod")
	tags := tag.Set{{Key: "k", Value: secret}}
	strategy := []ecs.StrategyItem{{CapacityProvider: "cp", Weight: 1}}
	tx.Clusters.Put(&ecs.Cluster{ClusterARN: cluster, ClusterName: "prod", Status: ecs.ClusterActive, Tags: tags,
		CapacityProviders: []string{"cp"}, DefaultStrategy: strategy})
	tx.Clusters.Put(&ecs.Cluster{ClusterARN: ecs.ARN("eu-west-1", account, ecs.TypeCluster, "prod"),
		ClusterName: "prod",
		Status:      ecs.ClusterActive})
	definition := ecs.ARN(region, account, ecs.TypeTaskDefinition, "web:1")
	for _, name := range []string{definition, ecs.ARN(region, account, ecs.TypeTaskDefinition, "unused:1")} {
		tx.TaskDefinitions.Put(&ecs.TaskDefinition{Family: "web", Revision: 1, TaskDefinitionARN: name, Tags: tags,
			Status: ecs.TaskDefinitionActive, NetworkMode: ecs.NetworkBridge, TaskRoleARN: secret,
			ContainerDefinitions: []ecs.ContainerDefinition{{Name: "app", Image: "web", CPU: 256, Memory: 128,
				Essential: true, Command: []string{secret}, EntryPoint: []string{secret},
				Environment:  []ecs.KeyValuePair{{Name: "PASSWORD", Value: secret}},
				DockerLabels: map[string]string{"a": secret}, HealthCheck: &ecs.HealthCheck{Command: []string{secret}},
				LogConfiguration: &ecs.LogConfiguration{LogDriver: "splunk",
					Options: map[string]string{"token": secret}},
				PortMappings: []ecs.PortMapping{{ContainerPort: 80, Protocol: "tcp"}}}}})
	}
	svc := &ecs.Service{ServiceARN: ecs.ARN(region, account, ecs.TypeService, "prod/web"), ServiceName: "web",
		ClusterARN: cluster, Status: ecs.ServiceActive, DesiredCount: 2, ClientToken: secret, Tags: tags,
		SchedulingStrategy: ecs.Replica, CapacityProviderStrategy: strategy,
		DeploymentConfiguration: ecs.DeploymentConfiguration{MinimumHealthyPercent: 100, MaximumPercent: 200}}
	tx.Services.Put(svc)
	r := &ecs.ServiceRevision{ServiceRevisionARN: svc.ServiceARN + "/1", ServiceARN: svc.ServiceARN,
		ClusterARN: cluster, CapacityProviderStrategy: strategy,
		TaskDefinition: definition, LoadBalancers: []ecs.LoadBalancer{{TargetGroupARN: group, ContainerName: "app",
			ContainerPort: 80}}}
	tx.ServiceRevisions.Put(r)
	p := *tx.Progress(svc.ServiceARN)
	p.Begin(ecs.Deployment{ID: "d", Revision: *r, DesiredCount: 2})
	tx.ServiceProgress.Put(&p)
	tx.TargetGroups.Put(&elb.TargetGroup{ARN: group, Name: "web", Tags: tags, TargetType: elb.TargetInstance})
	tx.Rules.Put(&elb.Rule{ARN: rule, Conditions: []elb.Condition{{Values: []string{secret}}}, Actions: []elb.Action{
		{Type: "forward", Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: group, Weight: 1}}}}}})
	script := base64.StdEncoding.EncodeToString([]byte("export P=" + secret + "\necho ECS_CLUSTER=prod >> x"))
	tx.LaunchConfigurations.Put(&fleet.LaunchConfiguration{Name: "lc", Region: region, Account: account,
		Data: fleet.LaunchData{InstanceType: "t3.medium", ImageID: "ami-1", UserData: script, KeyName: secret}})
	tx.AutoScalingGroups.Put(&fleet.AutoScalingGroup{Name: "asg", ID: "1", Region: region, Account: account, Max: 9,
		Desired: 2, Zones: []string{region + "a"}, Launch: fleet.LaunchSource{Configuration: "lc"}, Tags: tags,
		ScaledInAt: now, BlockedByMax: 9, Note: secret, LaunchFailures: 3, NextLaunch: now})
	fillScaling(tx, tags)
	fillGroup(tx, tags)
}

// fillGroup gives the group a capacity provider, two policies, a scheduled action and a lifecycle hook.
func fillGroup(tx *state.Tx, tags tag.Set) {
	g, _ := tx.AutoScalingGroups.Get(fleet.Key(region, account, "asg"))
	p := &ecs.CapacityProvider{PolicyID: "m", HighID: "mh", LowID: "ml", CapacityProviderARN: ecs.ARN(region, account,
		ecs.TypeCapacityProvider, "cp"), Name: "cp", Status: ecs.CapacityProviderActive, Tags: tags,
		AutoScalingGroupProvider: ecs.AutoScalingGroupProvider{AutoScalingGroupARN: g.ARN(),
			ManagedScaling: ecs.DefaultManagedScaling(), ManagedDraining: ecs.Disabled,
			ManagedTerminationProtection: ecs.Disabled}}
	tx.CapacityProviders.Put(p)
	high, low := scaling.AlarmNames("asg", p.HighID, p.LowID)
	for _, name := range []string{high, low} {
		tx.PutAlarm(alarm.OfPolicy(region, account, p.PolicyARN(), name, alarm.Measure{},
			scaling.Condition{Period: time.Minute, Periods: 1}, now), now)
	}
	cpu := &groupscaling.Policy{ID: "g", Region: region, Account: account, Group: "asg", Name: "cpu",
		Type: groupscaling.TargetTracking, Tracking: &appscaling.Tracking{HighID: "gh", LowID: "gl",
			Tracking: scaling.Tracking{Target: 50}, Predefined: &appscaling.Predefined{Type: groupscaling.AverageCPU}}}
	tx.PutGroupPolicy(cpu, now)
	out := &groupscaling.Policy{ID: "o", Region: region, Account: account, Group: "asg", Name: "out",
		Type: groupscaling.Simple, Adjusts: &groupscaling.SimpleRule{Adjustment: scaling.ChangeInCapacity, By: 1}}
	tx.PutGroupPolicy(out, now)
	tx.Alarms.Put(&alarm.Alarm{ARN: alarm.ARN(region, account, "busy"), Name: "busy", Region: region, Account: account,
		Condition: scaling.Condition{Period: time.Minute, Periods: 5}, AlarmActions: []string{out.ARN()}})
	tx.GroupSchedules.Put(&groupscaling.Scheduled{ID: "gs", Region: region, Account: account, Group: "asg", Name: "day",
		Min: new(2), Recurrence: "0 8 * * *", Next: now.Add(24 * time.Hour)})
	tx.LifecycleHooks.Put(&fleet.Hook{Region: region, Account: account, Group: "asg", Name: fleet.DrainingHook})
	tx.LifecycleHooks.Put(&fleet.Hook{Region: region, Account: account, Group: "asg", Name: "warm-up",
		Metadata: secret})
}

// A file that leaves out what a capacity provider does with instances gets AWS's defaults (ecs.md 4.1).
func TestDefaultsOfProviders(t *testing.T) {
	_, good := exported(t)
	bare := strings.NewReplacer(`"ManagedDraining": "DISABLED"`, `"ManagedDraining": ""`,
		`"ManagedTerminationProtection": "DISABLED",`, "").Replace(string(good))
	s, err := Read(strings.NewReader(bare))
	if err != nil {
		t.Fatal(err)
	}
	got := s.CapacityProviders[0].AutoScalingGroupProvider
	if got.ManagedDraining != ecs.Enabled || got.ManagedTerminationProtection != ecs.Disabled {
		t.Errorf("%+v", got)
	}
}

func fillScaling(tx *state.Tx, tags tag.Set) {
	id := "service/prod/web"
	tx.ScalableTargets.Put(&appscaling.Target{ID: "t", Region: region, Account: account, ResourceID: id, Tags: tags,
		Bounds: scaling.Bounds{Min: 1, Max: 4}, CreatedAt: now})
	policy := &appscaling.Policy{ID: "p", Region: region, Account: account, ResourceID: id, Name: "cpu",
		Type: appscaling.TargetTracking, CreatedAt: now, Tracking: &appscaling.Tracking{HighID: "h", LowID: "l",
			Tracking: scaling.Tracking{Target: 60}, Predefined: &appscaling.Predefined{Type: appscaling.AverageCPU}}}
	tx.ScalingPolicies.Put(policy)
	for _, a := range policy.Alarms(now) {
		tx.Alarms.Put(a)
	}
	tx.Alarms.Put(&alarm.Alarm{ARN: alarm.ARN(region, account, "own"), Name: "own", Region: region, Account: account,
		Condition: scaling.Condition{Period: time.Minute, Periods: 5}, Tags: tags})
	tx.ScheduledActions.Put(&appscaling.Scheduled{ID: "s", Region: region, Account: account, ResourceID: id,
		Name: "night", Schedule: "cron(0 20 * * ? *)", CreatedAt: now})
}

func exported(t *testing.T, changes ...func(*state.Tx)) (*Stack, []byte) {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	if err := store.Update(t.Context(), func(tx *state.Tx) error {
		fill(tx)
		for _, change := range changes {
			change(tx)
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	s := Export(&store.View().Tables, region, account)
	text, err := json.MarshalIndent(s, "", "  ")
	if err != nil {
		t.Fatal(err)
	}
	return s, text
}

// What is exported has no secret, nothing of another region and nothing that is unused, and is read again as it was.
func TestExport(t *testing.T) {
	s, text := exported(t)
	if decoded := text; bytes.Contains(decoded, []byte(secret)) {
		t.Errorf("the export has a secret:\n%s", text)
	}
	if data, _ := base64.StdEncoding.DecodeString(s.LaunchConfigurations[0].Data.UserData); bytes.Contains(data,
		[]byte(secret)) || ClusterOf(s.LaunchConfigurations[0].Data) != "prod" {
		t.Errorf("%s", data)
	}
	var counts []int
	for _, tb := range tables {
		counts = append(counts, tb.rows(s))
	}
	// Clusters, task definitions, services, revisions, balancers, groups, listeners, rules, launch configurations,
	// templates, groups, capacity providers, policies and scheduled actions of groups, targets, policies, scheduled
	// actions, alarms: those of policies are left out.
	if want := []int{1, 1, 1, 1, 0, 1, 0, 1, 1, 0, 1, 1, 2, 1, 1, 1, 1, 2}; !reflect.DeepEqual(counts, want) {
		t.Errorf("%v rows, want %v", counts, want)
	}
	if g := s.Groups[0]; !g.ScaledInAt.IsZero() || g.BlockedByMax != 0 || g.LaunchFailures != 0 ||
		!g.NextLaunch.IsZero() {
		t.Errorf("the export has how far the group has come: %+v", g)
	}
	hook := `lifecycle hook "warm-up" of group "asg": a simulation has nobody who completes its actions`
	if len(s.LeftOut) != 1 || s.LeftOut[0] != hook {
		t.Errorf("left out: %q", s.LeftOut)
	}
	again, err := Read(bytes.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(again, s) {
		t.Errorf("%+v is read as %+v", s, again)
	}
}

// damages are states in which something refers to what does not exist any more, or is being deleted.
var damages = map[string]struct {
	change func(*state.Tx)
	left   string // what LeftOut has then; "" is nothing more
}{
	"inactive cluster": {func(tx *state.Tx) {
		c, _ := tx.Clusters.Get(ecs.ARN(region, account, ecs.TypeCluster, "prod"))
		n := *c
		n.Status = "INACTIVE"
		tx.Clusters.Put(&n)
	}, `service "web" has no deployment`},
	"deleted service": {func(tx *state.Tx) {
		tx.Services.Delete(ecs.ARN(region, account, ecs.TypeService, "prod/web"))
	}, `the scaling of "service/prod/web"`},
	"no task definition": {func(tx *state.Tx) {
		tx.TaskDefinitions.Delete(ecs.ARN(region, account, ecs.TypeTaskDefinition, "web:1"))
	}, `service "web" has no deployment`},
	"no deployment": {func(tx *state.Tx) {
		tx.ServiceProgress.Delete(ecs.ARN(region, account, ecs.TypeService, "prod/web"))
	}, `service "web" has no deployment`},
	"no target group": {func(tx *state.Tx) { tx.TargetGroups.Delete(group) }, `service "web": its target group`},
	"no configuration": {func(tx *state.Tx) { tx.LaunchConfigurations.Delete(fleet.Key(region, account, "lc")) },
		`group "asg": the launch configuration "lc"`},
	"no group": {func(tx *state.Tx) { tx.AutoScalingGroups.Delete(fleet.Key(region, account, "asg")) },
		`capacity provider "cp": its Auto Scaling group`},
	"group being deleted": {func(tx *state.Tx) {
		if g, ok := tx.AutoScalingGroups.Get(fleet.Key(region, account, "asg")); ok {
			n := g.Clone()
			n.Status = fleet.DeleteInProgress
			tx.AutoScalingGroups.Put(n)
		}
	}, `capacity provider "cp": its Auto Scaling group`},
	"inactive provider": {func(tx *state.Tx) {
		p, _ := tx.CapacityProviders.Get(ecs.ARN(region, account, ecs.TypeCapacityProvider, "cp"))
		n := *p
		n.Status = ecs.CapacityProviderInactive
		tx.CapacityProviders.Put(&n)
	}, `cluster "prod": its capacity provider "cp" is not in the stack`},
	"no provider": {func(tx *state.Tx) {
		tx.CapacityProviders.Delete(ecs.ARN(region, account, ecs.TypeCapacityProvider, "cp"))
	}, `service "web": its capacity provider "cp" is not in the stack`},
	"no target": {func(tx *state.Tx) {
		tx.ScalableTargets.Delete(appscaling.Key(region, account, "service/prod/web"))
	}, ""},
}

// What is exported can be read, in whatever state the server is, and what was left out has a reason.
func TestExportIsReadable(t *testing.T) {
	for name, d := range damages {
		s, text := exported(t, d.change)
		if _, err := Read(bytes.NewReader(text)); err != nil {
			t.Errorf("%s: %v", name, err)
		}
		if !strings.Contains(strings.Join(s.LeftOut, "\n"), d.left) {
			t.Errorf("%s: left out is %q, want %q", name, s.LeftOut, d.left)
		}
	}
	for first, a := range damages {
		for second, b := range damages {
			if first >= second {
				continue
			}
			_, text := exported(t, a.change, b.change)
			if _, err := Read(bytes.NewReader(text)); err != nil {
				t.Errorf("%s, %s: %v", first, second, err)
			}
		}
	}
}

// A stack with many rows and large counts can be exported, and is read again.
func TestLargeStack(t *testing.T) {
	const many = 6000
	s, text := exported(t, func(tx *state.Tx) {
		for i := range many {
			name := fmt.Sprint("g", i)
			tx.AutoScalingGroups.Put(&fleet.AutoScalingGroup{Name: name, ID: name, Region: region, Account: account,
				Max: many, Desired: many, Zones: []string{region + "a"},
				Launch: fleet.LaunchSource{Configuration: "lc"}})
			tx.GroupSchedules.Put(&groupscaling.Scheduled{ID: name, Region: region, Account: account, Group: name,
				Name: "day", Min: new(2), Recurrence: "0 8 * * *"})
		}
		v, _ := tx.Services.Get(ecs.ARN(region, account, ecs.TypeService, "prod/web"))
		n := *v
		n.DesiredCount = many
		tx.Services.Put(&n)
		target, _ := tx.ScalableTargets.Get(appscaling.Key(region, account, "service/prod/web"))
		wide := *target
		wide.Bounds.Max = many
		tx.ScalableTargets.Put(&wide)
	})
	if len(s.Groups) != many+1 || len(s.GroupSchedules) != many+1 {
		t.Errorf("%d groups, %d scheduled actions", len(s.Groups), len(s.GroupSchedules))
	}
	if _, err := Read(bytes.NewReader(text)); err != nil {
		t.Error(err)
	}
}

// A file with a mistake is refused with the line of the mistake and what would be right.
func TestMistakes(t *testing.T) {
	_, good := exported(t)
	line := func(part string) string {
		before, _, ok := strings.Cut(string(good), part)
		if !ok {
			t.Fatalf("no %q", part)
		}
		return fmt.Sprintf("line %d:", 1+strings.Count(before, "\n"))
	}
	const revision = `task-definition/web:1",
      "LaunchType": "",
      "CapacityProviderStrategy": [
        {
          "CapacityProvider": "`
	for _, c := range []struct{ old, new, where, want string }{
		{`"Format": 1`, `"Format": 7`, "", "format 7, and this program reads format 1"},
		{`"Region": "us-east-1",`, `"Region": "",`, "", "must have a Region and an Account"},
		{`"DesiredCount": 2`, `"DesiredCount": -1`, `"Services"`, "DesiredCount is -1; it must be from 0"},
		{`"DesiredCount": 2`, `"DesiredCounts": 2`, `"DesiredCount"`, `no field "DesiredCounts"`},
		{`"DesiredCount": 2`, `"DesiredCount": "2"`, `"DesiredCount"`, "cannot be a string"},
		{`"Max": 9`, `"Max": 1`, `"Groups"`, "Min, Desired and Max are 0, 2 and 1; they must ascend"},
		{`"InstanceType": "t3.medium"`, `"InstanceType": "t9.huge"`, `"Groups"`, `no instance type "t9.huge"`},
		{`"Configuration": "lc"`, `"Configuration": "old"`, `"Groups"`, `configuration "old" is not in`},
		{`"ResourceID": "service/prod/web"`, `"ResourceID": "service/web"`, "",
			"is not service/CLUSTER/SERVICE of a service"},
		{`"ManagedDraining": "DISABLED"`, `"ManagedDraining": "on"`, `"CapacityProviders"`, `or DISABLED, not "on"`},
		{`"ManagedTerminationProtection": "DISABLED"`, `"ManagedTerminationProtection": "ENABLED"`, "",
			"needs ManagedScaling with the Status ENABLED"},
		{`cron(0 20 * * ? *)`, `daily`, `"ScheduledActions"`, "is not a schedule"},
		{`"Max": 9`, `"Max": 9000000`, `"Groups"`, "up to 1000000"},
		{`"CapacityProvider": "cp"`, `"CapacityProvider": "x"`, `"Clusters"`,
			`the cluster has no capacity provider "x"`},
		{`"CapacityProviders": [
        "cp"`, `"CapacityProviders": [
        "x"`, `"Clusters"`, `the capacity provider "x" is not in CapacityProviders`},
		{revision + "cp", revision + "x", `"Revisions"`, `Revisions[0]: the cluster has no capacity provider "x"`},
		{`"MinimumScalingStepSize": 1`, `"MinimumScalingStepSize": 0`, `"CapacityProviders"`,
			"minimumScalingStepSize must be between 1 and 10000, not 0"},
		{`"Status": "ACTIVE",
      "AutoScalingGroupProvider"`, `"Status": "INACTIVE",
      "AutoScalingGroupProvider"`, `"CapacityProviders"`, "the Status of a capacity provider must be ACTIVE"},
		{`"Recurrence": "0 8 * * *"`, `"Recurrence": "daily"`, `"GroupSchedules"`, "has five fields"},
		{`"Target": 50`, `"Target": 0`, `"GroupPolicies"`, "must be above 0"},
		{`"Type": "SimpleScaling"`, `"Type": "PredictiveScaling"`, `"GroupPolicies"`, "must be SimpleScaling, StepSca"},
		{`"Type": "SimpleScaling"`, `"Type": "StepScaling"`, `"GroupPolicies"`, "a step policy needs Steps"},
		{`"Target": 60`, `"Target": 0`, `"ScalingPolicies"`, "must be above 0"},
		{`"Alarms": [`, `"Alarm": [`, `"Alarms"`, `no list "Alarm"; it has Clusters, `},
		{`"Alarms": [`, `"Alarms": {`, `"Alarms"`, "begins with ["},
		{`"Clusters": [`, `"Clusters": [,`, `"Clusters"`, "invalid character ','"},
	} {
		bad := strings.Replace(string(good), c.old, c.new, 1)
		if bad == string(good) {
			t.Fatalf("no %q in\n%s", c.old, good)
		}
		_, err := Read(strings.NewReader(bad))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", c.new, err, c.want)
			continue
		}
		if c.where != "" && !strings.Contains(err.Error(), "line ") {
			t.Errorf("%s: %v does not name a line", c.new, err)
		}
		if c.where == `"DesiredCount"` && !strings.HasPrefix(err.Error(), line(`"DesiredCount"`)) {
			t.Errorf("%s: %v, want %s", c.new, err, line(`"DesiredCount"`))
		}
	}
	for _, text := range []string{"", "[]", "{", "nul", string(good[:len(good)/2])} {
		if _, err := Read(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), "line ") {
			t.Errorf("%.20q: %v", text, err)
		}
	}
	if _, err := Read(strings.NewReader(strings.Repeat(" ", MaxBytes+1))); err == nil ||
		!strings.Contains(err.Error(), "16 MiB") {
		t.Error(err)
	}
}

// What a group launches is found without a look at all launch configurations and templates.
func TestLaunches(t *testing.T) {
	g := &fleet.AutoScalingGroup{Name: "g", Launch: fleet.LaunchSource{Configuration: "500"}}
	allocations := func(configurations int) float64 {
		s := &Stack{}
		for i := range configurations {
			s.LaunchConfigurations = append(s.LaunchConfigurations, &fleet.LaunchConfiguration{Name: fmt.Sprint(i),
				Data: fleet.LaunchData{InstanceType: fmt.Sprint("type", i)}})
		}
		l := s.Launches()
		if d, why := l.Of(g); d.InstanceType != "type500" || why != "" {
			t.Errorf("of %d configurations: %q, %s", configurations, d.InstanceType, why)
		}
		return testing.AllocsPerRun(10, func() { l.Of(g) })
	}
	if few, many := allocations(501), allocations(5000); many > few {
		t.Errorf("%v allocations with many configurations, %v with few", many, few)
	}
}

// No file makes the reader panic, and what it accepts can be put into a state.
func FuzzRead(f *testing.F) {
	f.Add([]byte(`{"Format":1,"Region":"us-east-1","Account":"123456789012","Clusters":[{"ClusterARN":"a"}]}`))
	f.Add([]byte(`{"Format":1,"Clusters":null,"Groups":[{}],"Alarms":[{"Condition":{}}]}`))
	f.Fuzz(func(t *testing.T, data []byte) {
		s, err := Read(bytes.NewReader(data))
		if err != nil {
			return
		}
		store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer store.Close()
		if err := store.Update(t.Context(), func(tx *state.Tx) error { s.Put(tx); return nil }); err != nil {
			t.Error(err)
		}
	})
}
