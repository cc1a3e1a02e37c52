package demo

import (
	"context"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"time"
)

// size is how large the stack is. Unless the demo shows scaling, it is the article's.
type size struct {
	instances, mostInstances int
	cpu, memory              int // units and MiB that a task reserves
	deregistrationDelay      int // seconds
}

var (
	sizeOfArticle = size{instances: 2, mostInstances: 4, cpu: 512, memory: 512, deregistrationDelay: 30}
	// Two of these tasks fit an instance of the type t3.small, and each uses all that it reserves at a load that a
	// laptop does not feel.
	sizeOfScaling = size{instances: 1, mostInstances: 4, cpu: 64, memory: 900, deregistrationDelay: 5}
)

const (
	provider    = "socket-capacity"
	targetCPU   = 60 // per cent of what the tasks reserve
	mostTasks   = 6
	enoughTasks = 5 // so many tasks the load is raised for
)

// paceTag makes alarms, cooldowns and warm-up times count a minute as a second (docs/scaling.md).
var paceTag = map[string]string{"berth:pace": "seconds"}

// capacityProvider lets the cluster launch instances of the group when tasks have no room.
func (d *demo) capacityProvider(ctx context.Context) error {
	var groups struct {
		ARN string `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member>AutoScalingGroupARN"`
	}
	err := d.api.query(ctx, "autoscaling", autoScalingVersion, "DescribeAutoScalingGroups",
		url.Values{"AutoScalingGroupNames.member.1": {Group}}, &groups)
	if err != nil {
		return err
	}
	err = d.ecs(ctx, "CreateCapacityProvider", map[string]any{
		"name": provider,
		"autoScalingGroupProvider": map[string]any{
			"autoScalingGroupArn": groups.ARN,
			"managedScaling":      map[string]any{"status": "ENABLED", "targetCapacity": 100},
		},
	}, nil)
	if err != nil {
		return err
	}
	err = d.ecs(ctx, "PutClusterCapacityProviders", map[string]any{
		"cluster": Cluster, "capacityProviders": []string{provider}, "defaultCapacityProviderStrategy": []any{
			map[string]any{"capacityProvider": provider, "weight": 1},
		},
	}, nil)
	if err != nil {
		return err
	}
	d.story.done("capacity provider %s scales the group from %d to %d instances", provider, d.size.instances,
		d.size.mostInstances)
	return nil
}

func (d *demo) applicationAutoScaling(ctx context.Context, action string, in map[string]any, out any) error {
	in["ServiceNamespace"] = "ecs"
	in["ResourceId"] = "service/" + Cluster + "/" + Service
	in["ScalableDimension"] = "ecs:service:DesiredCount"
	return d.api.json(ctx, "application-autoscaling", "AnyScaleFrontendService."+action, in, out)
}

// policy keeps the CPU of the service near a target.
func (d *demo) policy(ctx context.Context) error {
	err := d.applicationAutoScaling(ctx, "RegisterScalableTarget", map[string]any{
		"MinCapacity": d.cfg.Tasks, "MaxCapacity": mostTasks, "Tags": paceTag,
	}, nil)
	if err != nil {
		return err
	}
	err = d.applicationAutoScaling(ctx, "PutScalingPolicy", map[string]any{
		"PolicyName": "cpu", "PolicyType": "TargetTrackingScaling",
		"TargetTrackingScalingPolicyConfiguration": map[string]any{
			"TargetValue": targetCPU, "PredefinedMetricSpecification": map[string]any{
				"PredefinedMetricType": "ECSServiceAverageCPUUtilization",
			},
		},
	}, nil)
	if err != nil {
		return err
	}
	d.story.done("policy cpu keeps the service at %d %% CPU with %d to %d tasks", targetCPU, d.cfg.Tasks, mostTasks)
	return nil
}

// reading is what can be seen of the stack at one time.
type reading struct {
	cpu, pages         float64 // CPU in per cent of what is reserved, pages a second
	desired, running   int
	instances, planned int // registered container instances, and how many the group wants
	members            int // instances of the group, also those that are being terminated
}

// look reads the stack with the API.
func (d *demo) look(ctx context.Context) (r reading, err error) {
	s, err := d.describeService(ctx)
	if err != nil {
		return r, err
	}
	r.desired, r.running = s.DesiredCount, s.RunningCount
	if r.instances, _, err = d.registered(ctx); err != nil {
		return r, err
	}
	var groups struct {
		Desired int      `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member>DesiredCapacity"`
		IDs     []string `xml:"DescribeAutoScalingGroupsResult>AutoScalingGroups>member>Instances>member>InstanceId"`
	}
	err = d.api.query(ctx, "autoscaling", autoScalingVersion, "DescribeAutoScalingGroups",
		url.Values{"AutoScalingGroupNames.member.1": {Group}}, &groups)
	if err != nil {
		return r, err
	}
	r.planned, r.members = groups.Desired, len(groups.IDs)
	r.cpu, err = d.cpu(ctx)
	return r, err
}

// cpu returns the newest average of the service's CPU, of one second.
func (d *demo) cpu(ctx context.Context) (float64, error) {
	var answer struct {
		Points []struct {
			Time  time.Time `xml:"Timestamp"`
			Value float64   `xml:"Average"`
		} `xml:"GetMetricStatisticsResult>Datapoints>member"`
	}
	now := time.Now()
	err := d.api.query(ctx, "monitoring", "2010-08-01", "GetMetricStatistics", url.Values{
		"Namespace": {"Berth/Seconds/AWS/ECS"}, "MetricName": {"CPUUtilization"}, "Period": {"1"},
		"Statistics.member.1": {"Average"}, "Dimensions.member.1.Name": {"ClusterName"},
		"Dimensions.member.1.Value": {Cluster}, "Dimensions.member.2.Name": {"ServiceName"},
		"Dimensions.member.2.Value": {Service},
		"StartTime":                 {now.Add(-20 * time.Second).UTC().Format(time.RFC3339)},
		"EndTime":                   {now.Add(time.Second).UTC().Format(time.RFC3339)},
	}, &answer)
	if err != nil || len(answer.Points) == 0 {
		return 0, err
	}
	last := slices.MaxFunc(answer.Points, func(a, b struct {
		Time  time.Time `xml:"Timestamp"`
		Value float64   `xml:"Average"`
	}) int {
		return a.Time.Compare(b.Time)
	})
	return last.Value, nil
}

// decisions returns what the two kinds of scaling have decided, the oldest first, and only what a call before has not
// returned.
func (d *demo) decisions(ctx context.Context, seen map[string]bool) (texts []string, err error) {
	var services struct {
		ScalingActivities []struct{ ActivityId, Description, Cause string }
	}
	if err := d.applicationAutoScaling(ctx, "DescribeScalingActivities", map[string]any{}, &services); err != nil {
		return nil, err
	}
	for _, a := range slices.Backward(services.ScalingActivities) {
		if !seen[a.ActivityId] {
			seen[a.ActivityId] = true
			texts = append(texts, "service: "+a.Description)
		}
	}
	var groups struct {
		Activities []struct{ ActivityId, Description string } `xml:"DescribeScalingActivitiesResult>Activities>member"`
	}
	err = d.api.query(ctx, "autoscaling", autoScalingVersion, "DescribeScalingActivities",
		url.Values{"AutoScalingGroupName": {Group}}, &groups)
	if err != nil {
		return nil, err
	}
	for _, a := range slices.Backward(groups.Activities) {
		if !seen[a.ActivityId] {
			seen[a.ActivityId] = true
			texts = append(texts, "group: "+a.Description)
		}
	}
	return texts, nil
}

// scale raises the load until the service and the group have grown, ends it, and waits until both are small again.
func (d *demo) scale(ctx context.Context) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	w := &watch{demo: d, visitors: visit(ctx, d.url), seen: map[string]bool{}, series: []series{
		{name: "pages/s"}, {name: "CPU %"}, {name: "tasks"}, {name: "instances"},
	}}
	if _, err := d.decisions(ctx, w.seen); err != nil { // those from before the load
		return err
	}
	if err := w.grow(ctx); err != nil {
		return err
	}
	if err := w.shrink(ctx); err != nil {
		return err
	}
	cancel()
	w.visitors.running.Wait()
	fmt.Fprintln(d.cfg.Out)
	plot(d.cfg.Out, w.series)
	fmt.Fprintln(d.cfg.Out)
	if err := w.visitors.result(); err != nil {
		return err
	}
	d.story.done("%d pages were answered, and none failed", w.visitors.answered.Load())
	return nil
}

// watch looks at the stack once a second, keeps what it saw for the plot, and prints decisions.
type watch struct {
	*demo
	visitors *visitors
	seen     map[string]bool
	series   []series
	answered int64 // at the last look
	last     reading
}

// firstRate is the load at first, in pages a second.
const firstRate = 40

// grow raises the load by a quarter each second until it needs enough tasks, and waits for tasks and instances.
func (w *watch) grow(ctx context.Context) error {
	rate, began := float64(firstRate), time.Now()
	var desired time.Duration
	err := w.every(ctx, func(r reading) string {
		if r.cpu*float64(r.running) < targetCPU*enoughTasks {
			rate *= 1.25
		}
		w.visitors.rate.Store(int64(rate))
		if desired == 0 && r.desired > w.cfg.Tasks {
			desired = time.Since(began)
			w.story.done("the policy asked for more tasks %.1f s after the load had begun", desired.Seconds())
		}
		if r.running >= enoughTasks && r.instances > w.size.instances {
			return ""
		}
		return "the load grows"
	})
	if err != nil {
		return err
	}
	w.story.done("%d tasks on %d instances serve %.0f pages a second", w.last.running, w.last.instances, w.last.pages)
	return nil
}

// shrink ends nearly all of the load, and waits until tasks and instances have left. What is left of the load shows
// that no page fails meanwhile: instances are drained before the group terminates them.
func (w *watch) shrink(ctx context.Context) error {
	w.visitors.rate.Store(firstRate)
	w.story.done("the load ends, but for %d pages a second", firstRate)
	err := w.every(ctx, func(r reading) string {
		if r.running == w.cfg.Tasks && r.desired == w.cfg.Tasks && r.instances == w.size.instances &&
			r.members == w.size.instances {
			return ""
		}
		return "the load has ended"
	})
	if err != nil {
		return err
	}
	w.story.done("tasks: %d, instances: %d; those that left were drained first", w.last.running, w.last.instances)
	return nil
}

// every looks at the stack once a second until done returns no reason to wait.
func (w *watch) every(ctx context.Context, done func(reading) (reason string)) error {
	tick := time.NewTicker(time.Second)
	defer tick.Stop()
	for {
		r, err := w.look(ctx)
		if err != nil {
			return err
		}
		answered := w.visitors.answered.Load()
		r.pages, w.answered = float64(answered-w.answered), answered
		w.last = r
		for i, v := range []float64{r.pages, r.cpu, float64(r.running), float64(r.instances)} {
			w.series[i].values = append(w.series[i].values, v)
		}
		texts, err := w.decisions(ctx, w.seen)
		if err != nil {
			return err
		}
		for _, text := range texts {
			w.story.done("%s", text)
		}
		reason := done(r)
		if reason == "" {
			return nil
		}
		w.story.waits(fmt.Sprintf("%s: %.0f pages/s, CPU %.0f %%, %s tasks, %s instances", reason, r.pages, r.cpu,
			progress(r.running, r.desired), progress(r.instances, r.planned)))
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}

// progress is a number and, if it differs, the one that is wanted.
func progress(is, wanted int) string {
	if is == wanted {
		return strconv.Itoa(is)
	}
	return fmt.Sprintf("%d of %d", is, wanted)
}
