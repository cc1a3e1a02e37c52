package sched

import "fmt"

// Refusal is one instance and why it did not take a task.
type Refusal struct {
	InstanceARN string
	Reasons     []Reason // never empty, the most fundamental first
}

// Failure is one task that could not be placed.
type Failure struct {
	Request     int    // index of the request
	InstanceARN string // closest instance; "" when there is none
	Reason      string // one of the Reason constants
	Detail      string // for people: "needs 512 CPU units, 256 are free"
}

// Event returns the text of the service event that reports the failure (ecs.md 1.7.4).
func (f Failure) Event(service string) string {
	text := "(service " + service + ") was unable to place a task because no container instance met all " +
		"of its requirements."
	if f.Reason == ReasonNoInstances || f.Reason == ReasonEmptyProvider {
		return text + " Reason: " + f.Reason
	}
	return fmt.Sprintf("%s The closest matching (container-instance %s) %s.", text, shortID(f.InstanceARN),
		shortfall(f.Reason))
}

// shortfall returns the words that service events use for a reason.
func shortfall(reason string) string {
	switch reason {
	case ReasonCPU:
		return "has insufficient CPU units available"
	case ReasonMemory:
		return "has insufficient memory available"
	case ReasonPorts:
		return "is already using a port required by your task"
	case ReasonAttribute:
		return "is missing an attribute required by your task"
	}
	return fmt.Sprintf("encountered error %q", reason)
}

// explanation says why no instance can take another task of a request.
type explanation struct {
	refusals []Refusal
	failure  Failure // about the closest instance
}

// explainAll explains the refusal of every instance. The closest instance is the one that fails the
// fewest requirements; then the one whose first failed requirement is the least fundamental; then
// the one that lacks the smallest share of a resource; then the first by ARN. An instance that is
// not ACTIVE is never the closest.
func explainAll(nodes []*node, r *Request) explanation {
	out := explanation{failure: Failure{Reason: ReasonNoInstances,
		Detail: "the cluster has no ACTIVE container instance"}}
	if r.Provider != "" {
		out.failure.Reason = ReasonEmptyProvider
		out.failure.Detail = "the capacity provider " + r.Provider + " has no ACTIVE container instance"
	}
	var best distance
	for _, n := range nodes {
		if !offers(n.Instance, r) {
			continue
		}
		reasons := Explain(n.Instance, r)
		if len(reasons) == 0 {
			continue
		}
		out.refusals = append(out.refusals, Refusal{n.ARN, reasons})
		if n.Status != StatusActive {
			continue
		}
		d := distanceTo(n.Instance, r, reasons)
		if out.failure.InstanceARN == "" || d.less(best) {
			best = d
			out.failure = Failure{InstanceARN: n.ARN, Reason: reasons[0].Code, Detail: reasons[0].Detail}
		}
	}
	return out
}

// TooLarge checks whether a task of the request is larger than every instance would be with nothing
// else on it. It returns the instance that comes closest and what that instance lacks. lacks is ""
// when an instance is large enough and when there are no instances.
func TooLarge(w World, r Request) (instanceARN, lacks string) {
	best := 0.0
	for k := range w.Instances {
		i := w.Instances[k]
		if !offers(i, &r) {
			continue
		}
		worst, text := 0.0, ""
		for _, a := range []struct {
			need, has int
			of        string
		}{
			{r.Needs.CPU, i.Registered.CPU, "CPU units"}, {r.Needs.Memory, i.Registered.Memory, "MiB of memory"},
			{r.Needs.GPU, i.Registered.GPU, "GPUs"}, {r.Needs.ENI, i.Registered.ENI, "network interfaces"},
		} {
			if share := float64(a.need-a.has) / float64(max(1, a.need)); a.need > a.has && share > worst {
				worst, text = share, fmt.Sprintf("has %d %s in all, and the task needs %d", a.has, a.of, a.need)
			}
		}
		if text == "" {
			return "", ""
		}
		if lacks == "" || worst < best || worst == best && i.ARN < instanceARN {
			best, instanceARN, lacks = worst, i.ARN, text
		}
	}
	return instanceARN, lacks
}

// distance says how far an instance is from being able to take a task.
type distance struct {
	failed int     // requirements not met
	weight int     // how fundamental the first of them is; smaller is worse
	share  float64 // the largest missing share of a needed resource; above 1 if more than all is in use
}

func (d distance) less(o distance) bool {
	switch {
	case d.failed != o.failed:
		return d.failed < o.failed
	case d.weight != o.weight:
		return d.weight > o.weight
	}
	return d.share < o.share
}

func distanceTo(i *Instance, r *Request, reasons []Reason) distance {
	d := distance{failed: len(reasons)}
	for k, f := range filters() {
		if f.code == reasons[0].Code {
			d.weight = min(k, firstResource)
		}
	}
	for _, pair := range [][2]int{{r.Needs.CPU, i.Free.CPU}, {r.Needs.Memory, i.Free.Memory},
		{r.Needs.GPU, i.Free.GPU}, {r.Needs.ENI, i.Free.ENI}} {
		if need, free := pair[0], pair[1]; need > free {
			d.share = max(d.share, float64(need-free)/float64(need))
		}
	}
	return d
}

// firstResource is the index of the first resource in filters. All resources have the same weight:
// lacking one is as bad as lacking another.
const firstResource = 6
