package sched

import (
	"fmt"
	"slices"
	"strings"
)

// Codes of reasons and failures. They are AWS's words where AWS has any (ecs.md 1.6). AWS publishes
// no text for distinctInstance; ours is modelled on that of memberOf.
const (
	ReasonMissing   = "MISSING"
	ReasonInactive  = "INACTIVE"
	ReasonAgent     = "AGENT"
	ReasonLocation  = "LOCATION"
	ReasonAttribute = "ATTRIBUTE"
	ReasonMemberOf  = "MemberOf placement constraint unsatisfied."
	ReasonDistinct  = "DistinctInstance placement constraint unsatisfied."
	ReasonGPU       = "RESOURCE:GPU"
	ReasonENI       = "RESOURCE:ENI"
	ReasonCPU       = "RESOURCE:CPU"
	ReasonMemory    = "RESOURCE:MEMORY"
	ReasonPorts     = "RESOURCE:PORTS"

	// ReasonNoInstances is the reason when the cluster has no ACTIVE instance at all.
	ReasonNoInstances = "No Container Instances were found in your cluster."

	// ReasonEmptyProvider is the reason when the capacity provider of a task has no ACTIVE instance at all.
	ReasonEmptyProvider = "No Container Instances were found in your capacity provider."
)

// Reason says why an instance cannot take a task: a code for programs, a sentence without full stop for people.
type Reason struct {
	Code   string
	Detail string
}

// filter is one requirement: a quick check, and an explanation for when the check fails.
type filter struct {
	code    string
	accepts func(*Instance, *Request) bool
	explain func(*Instance, *Request) string
}

// filters returns all requirements, the most fundamental first: an instance of the wrong kind is
// further from taking the task than one that is merely full.
func filters() []filter {
	return []filter{
		{ReasonInactive, isActive, explainStatus},
		{ReasonAgent, agentConnected, explainAgent},
		{ReasonLocation, inZone, explainZone},
		{ReasonAttribute, hasAttributes, explainAttributes},
		{ReasonMemberOf, isMember, explainMember},
		{ReasonDistinct, isDistinct, explainDistinct},
		{ReasonGPU, func(i *Instance, r *Request) bool { return enough(r.Needs.GPU, i.Free.GPU) }, explainGPU},
		{ReasonENI, func(i *Instance, r *Request) bool { return enough(r.Needs.ENI, i.Free.ENI) }, explainENI},
		{ReasonCPU, func(i *Instance, r *Request) bool { return enough(r.Needs.CPU, i.Free.CPU) }, explainCPU},
		{ReasonMemory, func(i *Instance, r *Request) bool { return enough(r.Needs.Memory, i.Free.Memory) },
			explainMemory},
		{ReasonPorts, portsFree, explainPorts},
	}
}

// placementFilters returns the requirements that do not depend on the tasks that already run: the
// kind of instance and the constraints.
func placementFilters() []filter {
	return slices.DeleteFunc(filters(), func(f filter) bool {
		switch f.code {
		case ReasonLocation, ReasonAttribute, ReasonMemberOf, ReasonInactive:
			return false
		}
		return true
	})
}

// admits reports whether every filter accepts the instance.
func admits(list []filter, i *Instance, r *Request) bool {
	for k := range list {
		if !list[k].accepts(i, r) {
			return false
		}
	}
	return true
}

// Explain returns every reason why the instance cannot take one task of the request now, the most
// fundamental first. It is empty if the task fits.
func Explain(i *Instance, r *Request) []Reason {
	var list []Reason
	for _, f := range filters() {
		if !f.accepts(i, r) {
			list = append(list, Reason{f.code, f.explain(i, r)})
		}
	}
	return list
}

// offers reports whether the instance belongs to the capacity provider of the request. It is no filter: instances of
// other providers are as if they did not exist, except that spreads count the tasks on them.
func offers(i *Instance, r *Request) bool { return r.Provider == "" || i.Provider == r.Provider }

func isActive(i *Instance, _ *Request) bool { return i.Status == StatusActive }

func explainStatus(i *Instance, _ *Request) string {
	return fmt.Sprintf("the instance is %s, only ACTIVE ones take tasks", i.Status)
}

func agentConnected(i *Instance, _ *Request) bool { return i.AgentConnected }

func explainAgent(*Instance, *Request) string { return "the agent is not connected" }

func inZone(i *Instance, r *Request) bool {
	return len(r.Zones) == 0 || slices.Contains(r.Zones, i.Zone)
}

func explainZone(i *Instance, r *Request) string {
	return fmt.Sprintf("needs zone %s of the task's subnets, the instance is in %s",
		strings.Join(r.Zones, " or "), i.Zone)
}

func hasAttribute(i *Instance, a Attribute) bool {
	v, ok := i.attribute(a.Name)
	return ok && (a.Value == "" || v == a.Value)
}

func hasAttributes(i *Instance, r *Request) bool {
	for _, a := range r.RequiredAttributes {
		if !hasAttribute(i, a) {
			return false
		}
	}
	return true
}

func explainAttributes(i *Instance, r *Request) string {
	var list []string
	for _, a := range r.RequiredAttributes {
		if hasAttribute(i, a) {
			continue
		}
		text := a.Name
		if a.Value != "" {
			text += "=" + a.Value
		}
		if v, ok := i.attribute(a.Name); ok {
			text += fmt.Sprintf(" (it has %q)", v)
		}
		list = append(list, text)
	}
	return "lacks required attribute " + strings.Join(list, ", ")
}

func isMember(i *Instance, r *Request) bool {
	for k := range r.Constraints {
		if e := r.Constraints[k].expr; e != nil && !e.Match(i.Subject()) {
			return false
		}
	}
	return true
}

func explainMember(i *Instance, r *Request) string {
	var list []string
	for _, c := range r.Constraints {
		if c.expr != nil && !c.expr.Match(i.Subject()) {
			list = append(list, "memberOf("+c.expr.String()+")")
		}
	}
	return "does not satisfy " + strings.Join(list, " and ")
}

func isDistinct(i *Instance, r *Request) bool {
	return !slices.ContainsFunc(r.Constraints, func(c Constraint) bool { return c.distinct }) ||
		i.TaskGroups[r.Group] == 0
}

func explainDistinct(i *Instance, r *Request) string {
	return fmt.Sprintf("needs an instance without tasks of %s, this one has %d", r.Group, i.TaskGroups[r.Group])
}

// enough reports whether a need is met. A task that needs none of a resource may run on an instance
// that has less than none free, because more was promised than it has.
func enough(need, free int) bool { return need <= 0 || need <= free }

func explainGPU(i *Instance, r *Request) string {
	return fmt.Sprintf("needs %d of the GPUs, %d are free", r.Needs.GPU, i.Free.GPU)
}

func explainENI(i *Instance, r *Request) string {
	return fmt.Sprintf("needs %d of the network interfaces, %d are free", r.Needs.ENI, i.Free.ENI)
}

func explainCPU(i *Instance, r *Request) string {
	return fmt.Sprintf("needs %d CPU units, %d are free", r.Needs.CPU, i.Free.CPU)
}

func explainMemory(i *Instance, r *Request) string {
	return fmt.Sprintf("needs %d MiB of memory, %d are free", r.Needs.Memory, i.Free.Memory)
}
