package state

import (
	"net/netip"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/fleet"
)

// counts keeps, for each entry, the number of rows with that entry; "" means none.
func counts[T any](entry func(*T) string) sum {
	return counted(entry, func(*T) int { return 1 })
}

// counted keeps, for each entry, the sum of what size returns for its rows; "" means none.
func counted[T any](entry func(*T) string, size func(*T) int) sum {
	change := func(kept, row any, sign int) any {
		n, _ := kept.(int)
		if n += sign * size(row.(*T)); n == 0 {
			return nil
		}
		return n
	}
	return sum{
		entry:  func(row any) string { return entry(row.(*T)) },
		add:    func(kept, row any) any { return change(kept, row, 1) },
		remove: func(kept, row any) any { return change(kept, row, -1) },
		same:   func(old, new any) bool { return size(old.(*T)) == size(new.(*T)) },
	}
}

// count returns the number that counts or counted keeps for an entry.
func (t *core) count(which int, entry string) int {
	kept, _ := t.rows.sums[which].get(entry)
	n, _ := kept.(int)
	return n
}

// Index of the only sum of the table of targets.
const sumOfRegisteredTargets = 0

// registeredTarget returns the target group in which a target counts as registered; "" if it is draining.
func registeredTarget(t *elb.Target) string { return onlyIf(!t.IsDraining(), t.TargetGroupARN) }

// Indexes of the sums of the table of instances, in the order of define.
const (
	sumsOfLiveInstances = iota
	sumsOfAddressRanges
	sumsOfPendingInstances
)

// liveInstance returns the region and account in which an instance counts as one that has not ended.
func liveInstance(i *fleet.Instance) string {
	return onlyIf(i.Live(), fleet.KeyPrefix(i.Region, i.Account))
}

// LiveInstances returns the number of EC2 instances of a region and account that have not ended.
func (t *Tables) LiveInstances(region, account string) int {
	return t.Instances.untyped.count(sumsOfLiveInstances, fleet.KeyPrefix(region, account))
}

// pendingInstance returns the region and account in which an instance counts as one that is being launched.
func pendingInstance(i *fleet.Instance) string {
	return onlyIf(i.State == fleet.Pending, fleet.KeyPrefix(i.Region, i.Account))
}

// PendingInstances returns the number of EC2 instances of a region and account that are being launched.
func (t *Tables) PendingInstances(region, account string) int {
	return t.Instances.untyped.count(sumsOfPendingInstances, fleet.KeyPrefix(region, account))
}

// instanceAddressRange returns the range in which the address of an instance counts; "" if it has none yet.
func instanceAddressRange(i *fleet.Instance) string {
	return onlyIf(i.Address.IsValid(), fleet.AddressRange(i.Address).String())
}

// InstanceAddresses returns the addresses of EC2 instances, with those of instances that have ended and whose
// rows are not deleted yet. In a transaction it has the transaction's own instances.
func (t *Tables) InstanceAddresses() fleet.AddressSet { return instanceAddresses{t} }

type instanceAddresses struct{ tables *Tables }

func (a instanceAddresses) Contains(addr netip.Addr) bool {
	for range a.tables.Instances.By(InstancesByAddress, addr.String()) {
		return true
	}
	return false
}

func (a instanceAddresses) CountIn(r netip.Prefix) int {
	return a.tables.Instances.untyped.count(sumsOfAddressRanges, r.String())
}

// Indexes of the sums of the table of services, in the order of define.
const (
	sumsOfActiveServices = iota
	sumsOfDrainingServices
)

// serviceIn returns a function that returns the cluster in which a service counts as one with a status.
func serviceIn(status string) func(*ecs.Service) string {
	return func(s *ecs.Service) string { return onlyIf(s.Status == status, s.ClusterARN) }
}

// ServicesIn returns the numbers of ACTIVE and of DRAINING services of a cluster.
func (t *Tables) ServicesIn(clusterARN string) (active, draining int) {
	services := &t.Services.untyped
	return services.count(sumsOfActiveServices, clusterARN), services.count(sumsOfDrainingServices, clusterARN)
}

// presentInstance returns the cluster that a container instance counts to.
func presentInstance(i *ecs.ContainerInstance) string { return onlyIf(i.Present(), i.ClusterARN) }

// PresentInstances returns the number of container instances that count to a cluster (ecs.md 1.2.3).
func (t *Tables) PresentInstances(clusterARN string) int {
	return t.ContainerInstances.untyped.count(sumsOfPresent, clusterARN)
}

// The only sum of the table of activities.
const sumOfActivities = 0

// groupOfActivity returns the prefix of the keys of all activities of an activity's group.
func groupOfActivity(a *fleet.Activity) string {
	return fleet.ActivityPrefix(a.Region, a.Account, a.Group)
}

// ActivitiesIn returns the number of activities whose keys begin with a prefix from fleet.ActivityPrefix.
func (t *Tables) ActivitiesIn(prefix string) int {
	return t.Activities.untyped.count(sumOfActivities, prefix)
}
