package state

import (
	"maps"
	"slices"

	"github.com/berthhq/berth/internal/ecs"
)

// Indexes of the sums of the table of container instances, in the order of define.
const (
	sumsOfAttributes = iota
	sumsOfZones
	sumsOfRegistered
	sumsOfPresent
)

// attributes maintains the attributes of each container instance as a map, because placing a task looks them
// up in many instances.
func attributes() sum {
	return sum{
		entry: func(row any) string { return row.(*ecs.ContainerInstance).ContainerInstanceARN },
		add: func(_, row any) any {
			values := make(map[string]string)
			for _, a := range row.(*ecs.ContainerInstance).Attributes {
				values[a.Name] = a.Value
			}
			return values
		},
		remove: func(any, any) any { return nil },
		same: sameInstances(func(old, new *ecs.ContainerInstance) bool {
			return slices.Equal(old.Attributes, new.Attributes)
		}),
	}
}

// AttributesOf returns the values of the attributes of a container instance, by name; "" for those
// without a value. The map must not be changed.
func (t *Tables) AttributesOf(containerInstanceARN string) map[string]string {
	kept, _ := t.ContainerInstances.untyped.rows.sums[sumsOfAttributes].get(containerInstanceARN)
	values, _ := kept.(map[string]string)
	return values
}

// zones maintains the numbers of ACTIVE container instances of a cluster by availability zone.
func zones() sum {
	change := func(kept, row any, by int) any {
		i := row.(*ecs.ContainerInstance)
		instances, _ := kept.(map[string]int)
		if i.Status == ecs.InstanceActive && i.Zone() != "" {
			instances = maps.Clone(instances)
			if instances == nil {
				instances = make(map[string]int)
			}
			if instances[i.Zone()] += by; instances[i.Zone()] == 0 {
				delete(instances, i.Zone())
			}
		}
		if len(instances) == 0 {
			return nil
		}
		return instances
	}
	return sum{
		entry:  func(row any) string { return row.(*ecs.ContainerInstance).ClusterARN },
		add:    func(kept, row any) any { return change(kept, row, 1) },
		remove: func(kept, row any) any { return change(kept, row, -1) },
		same: sameInstances(func(old, new *ecs.ContainerInstance) bool {
			return old.Status == new.Status && old.Zone() == new.Zone()
		}),
	}
}

// ActiveInZones returns the numbers of ACTIVE container instances of a cluster by availability
// zone, for zones with at least one. The map must not be changed.
func (t *Tables) ActiveInZones(clusterARN string) map[string]int {
	kept, _ := t.ContainerInstances.untyped.rows.sums[sumsOfZones].get(clusterARN)
	instances, _ := kept.(map[string]int)
	return instances
}

// registered keeps the CPU units and the memory that the ACTIVE and DRAINING container instances of a cluster have
// registered.
func registered() sum {
	change := func(kept, row any, by int) any {
		i := row.(*ecs.ContainerInstance)
		all, _ := kept.(ecs.Resources)
		if i.Status == ecs.InstanceActive || i.Status == ecs.InstanceDraining {
			all.CPU += by * i.Registered.CPU
			all.Memory += by * i.Registered.Memory
		}
		if all.CPU == 0 && all.Memory == 0 {
			return nil
		}
		return all
	}
	return sum{
		entry:  func(row any) string { return row.(*ecs.ContainerInstance).ClusterARN },
		add:    func(kept, row any) any { return change(kept, row, 1) },
		remove: func(kept, row any) any { return change(kept, row, -1) },
		same: sameInstances(func(old, new *ecs.ContainerInstance) bool {
			return old.Status == new.Status && old.Registered.CPU == new.Registered.CPU &&
				old.Registered.Memory == new.Registered.Memory
		}),
	}
}

// sameInstances makes the function same of a sum of container instances.
func sameInstances(same func(old, new *ecs.ContainerInstance) bool) func(old, new any) bool {
	return func(old, new any) bool { return same(old.(*ecs.ContainerInstance), new.(*ecs.ContainerInstance)) }
}

// RegisteredIn returns the CPU units and the memory that the ACTIVE and DRAINING container instances of a cluster
// have registered together.
func (t *Tables) RegisteredIn(clusterARN string) ecs.Resources {
	kept, _ := t.ContainerInstances.untyped.rows.sums[sumsOfRegistered].get(clusterARN)
	all, _ := kept.(ecs.Resources)
	return all
}
