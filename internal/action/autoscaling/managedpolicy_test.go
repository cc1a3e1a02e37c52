package autoscaling

import (
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/provider"
	"github.com/berthhq/berth/internal/state"
)

// ecs.md 4.6: the policy that managed scaling makes is listed with its alarms, and is not while managed scaling is
// disabled.
func TestDescribeThePolicyOfManagedScaling(t *testing.T) {
	d := newDesk(t)
	d.group("1", "9", "2")
	d.ok(simpleLine)
	cluster := ecs.ARN(region, account, ecs.TypeCluster, "prod")
	put := func(status string) {
		d.update(func(tx *state.Tx) {
			tx.Clusters.Put(&ecs.Cluster{ClusterARN: cluster, ClusterName: "prod", Status: ecs.ClusterActive,
				CapacityProviders: []string{"machines"}})
			p := &ecs.CapacityProvider{CapacityProviderARN: ecs.ProviderARN(cluster, "machines"), Name: "machines",
				Status: ecs.CapacityProviderActive, PolicyID: "id", HighID: "high", LowID: "low"}
			p.AutoScalingGroupProvider.AutoScalingGroupARN = d.theGroup().ARN()
			p.AutoScalingGroupProvider.ManagedScaling = ecs.ManagedScaling{Status: status, TargetCapacity: 80,
				MinimumScalingStepSize: 1, MaximumScalingStepSize: 9, InstanceWarmupPeriod: 120}
			tx.CapacityProviders.Put(p)
			provider.Follow(tx, p, time.Now())
		})
	}
	put(ecs.Enabled)
	const name = "ECSManagedAutoScalingPolicy-id"
	for _, line := range []string{"DescribePolicies AutoScalingGroupName=g", "DescribePolicies",
		"DescribePolicies PolicyNames.member.1=" + name,
		"DescribePolicies PolicyTypes.member.1=TargetTrackingScaling"} {
		d.contains(line, "<PolicyName>"+name+"<", ":scalingPolicy:id:autoScalingGroupName/g:policyName/"+name+"<",
			"<TargetValue>80<", "<MetricName>CapacityProviderReservation<", "<Namespace>AWS/ECS/ManagedScaling<",
			"<Name>CapacityProviderName</Name><Value>machines<", "<Name>ClusterName</Name><Value>prod<",
			"<EstimatedInstanceWarmup>120<", "<AlarmName>TargetTracking-g-AlarmHigh-high<",
			"<AlarmName>TargetTracking-g-AlarmLow-low<")
	}
	d.contains("DescribePolicies AutoScalingGroupName=g", "<PolicyName>p<")
	// The pages have all policies, in the order of their names.
	first := d.ok("DescribePolicies MaxRecords=1")
	second := d.ok("DescribePolicies MaxRecords=1 NextToken=" + between(first, "<NextToken>", "<"))
	if !strings.Contains(first, "<PolicyName>"+name+"<") || !strings.Contains(second, "<PolicyName>p<") ||
		strings.Contains(second, "<NextToken>") {
		t.Errorf("%s\n%s", first, second)
	}
	put("DISABLED")
	if out := d.ok("DescribePolicies"); strings.Contains(out, name) || !strings.Contains(out, "<PolicyName>p<") {
		t.Errorf("managed scaling is disabled: %s", out)
	}
}
