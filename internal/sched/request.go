package sched

import (
	"fmt"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/sched/cql"
)

// Request asks for a number of equal tasks.
type Request struct {
	Group string // "service:NAME", "family:FAMILY" or the caller's own; spreads count tasks of one group
	Count int
	// Provider is the capacity provider on whose instances the tasks must run; "" allows all instances.
	Provider string

	Needs    Resources // per task; ENI is 1 for awsvpc tasks, else 0
	PortsTCP []uint16  // static host ports, none for awsvpc tasks
	PortsUDP []uint16
	// HostNetwork says that the tasks have the machine's own network.
	HostNetwork bool

	RequiredAttributes []Attribute // requiresAttributes of the task definition
	Zones              []string    // awsvpc: the zones of the subnets; empty = any
	Constraints        []Constraint
	Strategies         []Strategy // in order; each breaks the ties of those before it (ecs.md 2.2)
	DefaultSpread      bool       // with no strategies: spread over zones, then instances (ecs.md 2.4, services)
	Seed               uint64     // of the random strategy; the same seed gives the same plan
}

// Attribute is a required attribute; an empty Value asks only that the attribute exists.
type Attribute struct{ Name, Value string }

// Constraint limits which instances a task may run on. The zero value allows all; make one with
// [ParseConstraint].
type Constraint struct {
	distinct bool
	expr     *cql.Expr
}

// ParseConstraint reads a placement constraint as the API has it: type "distinctInstance" without
// an expression, or "memberOf" with one. Its error can be shown to the caller of the API.
func ParseConstraint(kind, expression string) (Constraint, error) {
	switch kind {
	case "distinctInstance":
		if expression != "" {
			return Constraint{}, fmt.Errorf(
				"a distinctInstance placement constraint takes no expression, found %q", expression)
		}
		return Constraint{distinct: true}, nil
	case "memberOf":
		expr, err := cql.Parse(expression)
		return Constraint{expr: expr}, err
	}
	return Constraint{}, fmt.Errorf("unknown placement constraint type %q: expected distinctInstance or memberOf", kind)
}

// strategyKind is what a strategy ranks instances by.
type strategyKind int

const (
	byAttribute  strategyKind = iota + 1 // spread: tasks of the group on instances with the same attribute value
	byInstance                           // spread: tasks of the group on the instance
	byFreeCPU                            // binpack
	byFreeMemory                         // binpack
	byChance                             // random
)

// Strategy prefers some instances to others. Make one with [ParseStrategy]; the zero value has no
// preference.
type Strategy struct {
	kind      strategyKind
	attribute string // for byAttribute only
}

// ParseStrategy reads a placement strategy as the API has it: spread over instanceId, host or
// attribute:NAME; binpack by cpu or memory; or random, which takes no field (ecs.md 2.3). Its error
// can be shown to the caller of the API.
func ParseStrategy(kind, field string) (Strategy, error) {
	switch kind {
	case "spread":
		if name, ok := strings.CutPrefix(field, "attribute:"); ok && name != "" {
			return Strategy{byAttribute, name}, nil
		}
		if strings.EqualFold(field, "instanceId") || field == "host" {
			return Strategy{kind: byInstance}, nil
		}
		return Strategy{}, fmt.Errorf("unknown field %q for the spread placement strategy: expected "+
			"instanceId, host or attribute:NAME", field)
	case "binpack":
		switch strings.ToLower(field) {
		case "cpu":
			return Strategy{kind: byFreeCPU}, nil
		case "memory":
			return Strategy{kind: byFreeMemory}, nil
		}
		return Strategy{},
			fmt.Errorf("unknown field %q for the binpack placement strategy: expected cpu or memory", field)
	case "random":
		if field != "" {
			return Strategy{}, fmt.Errorf("the random placement strategy takes no field, found %q", field)
		}
		return Strategy{kind: byChance}, nil
	}
	return Strategy{}, fmt.Errorf("unknown placement strategy type %q: expected spread, binpack or random", kind)
}

// SpreadsZones reports whether the first thing that tasks are spread over is availability zones.
// Rebalancing requires that (ecs.md 2.8).
func SpreadsZones(strategies []Strategy, defaultSpread bool) bool {
	s := effective(strategies, defaultSpread)
	return len(s) > 0 && s[0] == Strategy{byAttribute, zoneAttribute}
}

// effective returns the strategies to use: the named ones or else the default. Spreads over
// attributes alone do not choose an instance, and nor do no strategies at all; a random choice then
// follows, so that tasks do not pile up on the first instance.
func effective(strategies []Strategy, defaultSpread bool) []Strategy {
	if len(strategies) == 0 && defaultSpread {
		return []Strategy{{byAttribute, zoneAttribute}, {kind: byInstance}}
	}
	if !slices.ContainsFunc(strategies, func(s Strategy) bool { return s.kind != byAttribute }) {
		return append(slices.Clone(strategies), Strategy{kind: byChance})
	}
	return strategies
}
