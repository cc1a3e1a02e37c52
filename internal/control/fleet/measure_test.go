package fleet

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
)

// written is a Feed that keeps what it gets.
type written []string

func (w *written) Merge(n gather.Name, s meter.Summary) {
	*w = append(*w, fmt.Sprintf("%s %s %s %s=%s: %v of %v", n.Scope, n.Namespace, n.Metric, n.Dimensions[0].Name,
		n.Dimensions[0].Value, s.Sum, s.Count))
}

// A group has one point a minute of each metric that is enabled, and none of the others.
func TestMetricsOfGroups(t *testing.T) {
	in(t, func(t *testing.T, w *world) {
		w.want(2)
		w.after(time.Minute) // now it is a full minute
		var got written
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan struct{})
		go func() {
			defer close(ended)
			_ = (&Meter{Store: w.store, Feed: &got, Now: time.Now}).Run(ctx)
		}()
		defer func() { cancel(); <-ended }()
		w.after(time.Minute)
		if got != nil {
			t.Errorf("without metrics: %v", got)
		}
		w.group(func(g *fleet.AutoScalingGroup) {
			g.Metrics = []string{"GroupInServiceInstances", "GroupDesiredCapacity"}
		})
		w.standby(w.members()[0].ID, true, 0)
		w.after(2 * time.Minute)
		const of = "123456789012/us-east-1 AWS/AutoScaling "
		const minute = of + "GroupDesiredCapacity AutoScalingGroupName=g: 2 of 1 " +
			of + "GroupInServiceInstances AutoScalingGroupName=g: 2 of 1"
		if s := fmt.Sprint([]string(got)); s != "["+minute+" "+minute+"]" {
			t.Errorf("got %s", s)
		}
	})
}
