package state

import (
	"net/netip"

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
)

// liveInstance returns the region and account in which an instance counts as one that has not ended.
func liveInstance(i *fleet.Instance) string {
	return onlyIf(i.Live(), fleet.KeyPrefix(i.Region, i.Account))
}

// LiveInstances returns the number of EC2 instances of a region and account that have not ended.
func (t *Tables) LiveInstances(region, account string) int {
	return t.Instances.untyped.count(sumsOfLiveInstances, fleet.KeyPrefix(region, account))
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
