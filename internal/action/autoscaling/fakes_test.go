package autoscaling

import (
	"net/netip"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
)

const (
	region  = desktest.Region
	account = desktest.Account
)

// desk is the front desk with a store and without controllers. The tests make the controllers' changes.
type desk struct {
	*desktest.Desk
	t     *testing.T
	store *state.Store
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	s := desktest.Store(t)
	return &desk{desktest.New(t, Service(s, scaling.PaceOfAWS)), t, s}
}

// call sends a signed Query request, given as "Action a=b c=d". It returns the XML inside the answer, or
// "Code: message" of a fault.
func (d *desk) call(line string) string {
	d.t.Helper()
	return d.Query(d.t, "autoscaling", desktest.Form(shape.APIVersion, line))
}

// ok makes a call that must succeed.
func (d *desk) ok(line string) string {
	d.t.Helper()
	out := d.call(line)
	if !strings.HasPrefix(out, "<") {
		d.t.Fatalf("%s: %s", line, out)
	}
	return out
}

// group makes a launch configuration and a group called g over two zones.
func (d *desk) group(min, max, desired string) {
	d.t.Helper()
	d.ok("CreateLaunchConfiguration LaunchConfigurationName=lc ImageId=ami-0123456789abcdef0 InstanceType=t2.micro")
	d.ok("CreateAutoScalingGroup AutoScalingGroupName=g LaunchConfigurationName=lc MinSize=" + min +
		" MaxSize=" + max + " DesiredCapacity=" + desired +
		" AvailabilityZones.member.1=us-east-1a AvailabilityZones.member.2=us-east-1b")
}

// put does what the controller would do: it adds an instance in service to the group.
func (d *desk) put(id string, change func(*fleet.Instance)) {
	d.t.Helper()
	err := d.store.Update(d.t.Context(), func(tx *state.Tx) error {
		i := fleet.NewInstance(id, "r-1", fleet.Subnets(region, account)[0],
			fleet.LaunchData{InstanceType: "t2.micro"}, netip.MustParseAddr("127.0.1.2"), time.Now())
		g, ok := tx.AutoScalingGroups.Get(fleet.Key(region, account, "g"))
		if ok {
			g.Join(i, fleet.LaunchSource{Configuration: "lc"}, time.Now())
			i.Scaling.Lifecycle, i.Scaling.InServiceAt = fleet.LifecycleInService, time.Now()
		}
		i.State = fleet.Running
		if change != nil {
			change(i)
		}
		tx.Instances.Put(i)
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) update(fn func(*state.Tx)) {
	d.t.Helper()
	if err := d.store.Update(d.t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) theGroup() *fleet.AutoScalingGroup {
	d.t.Helper()
	g, ok := d.store.View().AutoScalingGroups.Get(fleet.Key(region, account, "g"))
	if !ok {
		d.t.Fatal("the group is gone")
	}
	return g
}

func (d *desk) instance(id string) *fleet.Instance {
	d.t.Helper()
	i, ok := d.store.View().Instances.Get(fleet.InstanceARN(region, account, id))
	if !ok {
		d.t.Fatalf("no instance %s", id)
	}
	return i
}
