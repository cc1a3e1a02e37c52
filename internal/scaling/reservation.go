package scaling

// Resources are what a task needs or an instance has. Network interfaces are not among them: instances of Berth have as
// many as their tasks need.
type Resources struct {
	CPU, Memory, GPUs int
	Ports             int // fixed host ports; two tasks with one cannot share an instance
}

// Group is a number of tasks in PROVISIONING with the same needs.
type Group struct {
	Needs Resources
	Apart bool // no two of them on one instance (distinctInstance)
	Tasks int
}

// Provider is an Auto Scaling group as a capacity provider sees it.
type Provider struct {
	Target            float64 // 1 to 100
	MinStep, MaxStep  int     // of scaling out, in instances
	Smallest, Largest Resources
}

// Instances returns how many instances are needed for the placed tasks and for those that wait
// (ecs.md 4.2 to 4.4). inService is the number of instances of the group, empty the number of those
// without a task other than a daemon's. ok is false when none of the waiting tasks fits an
// instance; then nothing should be scaled.
func (p Provider) Instances(inService, empty int, waiting []Group) (needed int, ok bool) {
	if len(waiting) == 0 {
		return inService - empty, true
	}
	more := 0
	for _, g := range waiting {
		if n, fits := p.pack(g); fits {
			more = max(more, n)
		}
	}
	if more == 0 {
		return inService, false
	}
	return inService + min(max(more, p.MinStep), p.MaxStep), true
}

// pack returns how many of the largest instances a group's tasks need, by the resource that needs
// most. fits is false, and the group left out, if the smallest instance cannot take a task (ecs.md
// 4.3).
func (p Provider) pack(g Group) (instances int, fits bool) {
	if g.Tasks == 0 {
		return 0, false
	}
	for _, r := range []func(Resources) int{
		func(r Resources) int { return r.CPU }, func(r Resources) int { return r.Memory },
		func(r Resources) int { return r.GPUs },
	} {
		need := r(g.Needs)
		if need > r(p.Smallest) {
			return 0, false
		}
		if need > 0 {
			each := r(p.Largest) / need
			instances = max(instances, (g.Tasks+each-1)/each)
		}
	}
	if g.Apart || g.Needs.Ports > 0 {
		instances = g.Tasks
	}
	return max(instances, 1), true
}

// Reservation returns the metric CapacityProviderReservation, from the results of Instances and the
// number of instances in service (ecs.md 4.2). If ok is false it returns the target, so that
// nothing is scaled (ecs.md 4.3).
func (p Provider) Reservation(needed, inService int, ok bool) float64 {
	switch {
	case !ok:
		return p.Target
	case inService == 0 && needed == 0:
		return 100
	case inService == 0:
		return 200
	}
	return 100 * float64(needed) / float64(inService)
}

// Desired returns the size of the group that follows from the metric: ceil(instances x metric /
// target) (ecs.md 4.5). It falls by at least one and at most half of the group at a time (ecs.md
// 4.7). From zero it goes to two (ecs.md 4.2).
func (p Provider) Desired(inService int, reservation float64) int {
	if inService == 0 {
		if reservation <= p.Target {
			return 0
		}
		return 2
	}
	n := ceil(float64(inService) * reservation / p.Target)
	return max(n, inService-max(1, inService/2))
}
