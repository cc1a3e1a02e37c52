package fleet

import (
	"slices"
	"time"
)

// Transition is the change of an instance's state at which a lifecycle hook makes it wait.
type Transition string

// The transitions of instances.
const (
	WhenLaunching   Transition = "autoscaling:EC2_INSTANCE_LAUNCHING"
	WhenTerminating Transition = "autoscaling:EC2_INSTANCE_TERMINATING"
)

// Transitions returns the transitions in the order in which DescribeLifecycleHookTypes lists them.
func Transitions() []Transition { return []Transition{WhenLaunching, WhenTerminating} }

// HookResult is how a lifecycle action ends.
type HookResult string

// The results of lifecycle actions. "" means that the action has not ended.
const (
	Continue HookResult = "CONTINUE"
	Abandon  HookResult = "ABANDON"
)

// Limits of lifecycle hooks (ecs.md 5.9). Times are in seconds.
const (
	MaxHooks         = 50
	MinHeartbeat     = 30
	MaxHeartbeat     = 7200
	DefaultHeartbeat = 3600

	maxWait       = 48 * 3600
	maxHeartbeats = 100
)

// DrainingHook is the name of the terminating hook that ECS makes for the managed draining of a capacity provider
// (ecs.md 4.10).
const DrainingHook = "ecs-managed-draining-termination-hook"

// Hook is a lifecycle hook: each instance of the group waits at the transition until a call completes its lifecycle
// action, or until the action times out (ecs.md 5.9).
type Hook struct {
	Region, Account, Group string
	Name                   string
	Transition             Transition
	Heartbeat              int // seconds that an instance waits after the start or a heartbeat
	Default                HookResult
	Role                   string `json:",omitempty"` // ARN
	Metadata               string `json:",omitempty"`
}

// Key returns the key of the row.
func (h *Hook) Key() string { return PartKey(h.Region, h.Account, h.Group, h.Name) }

// PartPrefix returns the prefix of the keys of rows that belong to a group, such as its hooks. It ends with a colon,
// which names of groups cannot have.
func PartPrefix(region, account, group string) string { return Key(region, account, group) + ":" }

// PartKey returns the key of a row with the given name that belongs to a group.
func PartKey(region, account, group, name string) string {
	return PartPrefix(region, account, group) + name
}

// GlobalTimeout returns the most seconds that an instance waits, however many heartbeats there are.
func (h *Hook) GlobalTimeout() int { return min(maxWait, maxHeartbeats*h.Heartbeat) }

// LifecycleAction is the wait of one instance for one hook. It has a copy of the hook's settings, so a later change of
// the hook does not affect it.
type LifecycleAction struct {
	Hook      string
	Token     string // UUID
	Heartbeat int    // seconds
	Default   HookResult
	Until     time.Time // when it times out
	End       time.Time // no heartbeat extends it beyond this time
	Result    HookResult
}

// HoldFor returns a copy of the member that waits at a transition for those of the hooks that are for this transition.
// It calls token once for each. It returns nil if there is none. The action for DrainingHook times out only at its End,
// because ECS would send heartbeats while it drains the instance.
func (i *Instance) HoldFor(t Transition, hooks []*Hook, token func() string, now time.Time) *Instance {
	var actions []LifecycleAction
	for _, h := range hooks {
		if h.Transition == t {
			a := LifecycleAction{Hook: h.Name, Token: token(), Heartbeat: h.Heartbeat,
				Default: h.Default, Until: now.Add(time.Duration(h.Heartbeat) * time.Second),
				End: now.Add(time.Duration(h.GlobalTimeout()) * time.Second)}
			if h.Name == DrainingHook {
				a.Until = a.End
			}
			actions = append(actions, a)
		}
	}
	if actions == nil {
		return nil
	}
	c := i.Clone()
	c.Scaling.Actions, c.Scaling.Lifecycle = actions, LifecyclePendingWait
	if t == WhenTerminating {
		c.Scaling.Lifecycle = LifecycleTerminatingWait
	}
	return c
}

// ActionResult is the combined result of all actions that an instance waits for.
type ActionResult struct {
	Result HookResult // "" while the instance has to wait
	// Why is the end of the sentence "Instance failed to complete user's Lifecycle Action: …"; it is
	// set for Abandon.
	Why string
	// Again is when the next action times out; it is set while the instance has to wait.
	Again time.Time
}

// ActionsAt returns the combined result of the member's actions. It is Abandon as soon as one action is abandoned, and
// Continue when all are completed. An action that has timed out has its default result.
func (m Membership) ActionsAt(now time.Time) ActionResult {
	var again time.Time
	for _, a := range m.Actions {
		result, how := a.Result, "Lifecycle Action Completed with ABANDON Result"
		if result == "" && !now.Before(a.Until) {
			result, how = a.Default, "Heartbeat Timeout"
		}
		switch {
		case result == Abandon:
			return ActionResult{Result: Abandon, Why: "Lifecycle Action with token " + a.Token +
				" was abandoned: " + how}
		case result == "" && (again.IsZero() || a.Until.Before(again)):
			again = a.Until
		}
	}
	if again.IsZero() {
		return ActionResult{Result: Continue}
	}
	return ActionResult{Again: again}
}

// Complete returns a copy of the member in which the action for a hook has the result. ok is false if the member does
// not wait for the hook.
func (i *Instance) Complete(hook string, result HookResult) (c *Instance, ok bool) {
	return i.withAction(hook, func(a *LifecycleAction) { a.Result = result })
}

// Heartbeat returns a copy of the member in which the timeout of the action for a hook begins again, but ends at the
// action's End at the latest. It never shortens the wait. ok is false if the member does not wait for the hook.
func (i *Instance) Heartbeat(hook string, now time.Time) (c *Instance, ok bool) {
	return i.withAction(hook, func(a *LifecycleAction) {
		if until := now.Add(time.Duration(a.Heartbeat) * time.Second); until.After(a.Until) {
			a.Until = until
		}
		if a.End.Before(a.Until) {
			a.Until = a.End
		}
	})
}

// WaitsFor reports whether the member waits for a hook: its action has no result yet.
func (m Membership) WaitsFor(hook string) bool { return m.openAction(hook) >= 0 }

// HasAction reports whether the member has the action for a hook, open or completed. It has its actions until all of
// them are completed and it has left the wait.
func (m Membership) HasAction(hook string) bool {
	return slices.ContainsFunc(m.Actions, func(a LifecycleAction) bool { return a.Hook == hook })
}

func (m Membership) openAction(hook string) int {
	return slices.IndexFunc(m.Actions, func(a LifecycleAction) bool { return a.Hook == hook && a.Result == "" })
}

func (i *Instance) withAction(hook string, change func(*LifecycleAction)) (c *Instance, ok bool) {
	n := i.Scaling.openAction(hook)
	if n < 0 {
		return nil, false
	}
	c = i.Clone()
	change(&c.Scaling.Actions[n])
	return c, true
}

// HasToken reports whether the member has the action with a token.
func (m Membership) HasToken(token string) bool {
	return slices.ContainsFunc(m.Actions, func(a LifecycleAction) bool { return a.Token == token })
}

// WithoutHook returns a copy of the member after the deletion of a hook: a launch that waits for it is abandoned, a
// termination continues. ok is false if the member does not wait for the hook.
func (i *Instance) WithoutHook(hook string) (c *Instance, ok bool) {
	if i.Scaling.Lifecycle == LifecyclePendingWait {
		return i.Complete(hook, Abandon)
	}
	return i.Complete(hook, Continue)
}
