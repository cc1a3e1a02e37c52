package fleet

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

func hook(name string, t Transition, heartbeat int, result HookResult) *Hook {
	return &Hook{Region: "us-east-1", Account: "123456789012", Group: "web", Name: name, Transition: t,
		Heartbeat: heartbeat, Default: result}
}

// tokens returns t-1, t-2 and so on.
func tokens() func() string {
	n := 0
	return func() string { n++; return fmt.Sprint("t-", n) }
}

// ecs.md 5.9: an instance waits at most for 48 hours or 100 heartbeats.
func TestGlobalTimeout(t *testing.T) {
	for heartbeat, want := range map[int]int{30: 3000, 3600: 172800, 1728: 172800, 1727: 172700, 7200: 172800} {
		if got := hook("h", WhenLaunching, heartbeat, Abandon).GlobalTimeout(); got != want {
			t.Errorf("a heartbeat of %d s: %d, want %d", heartbeat, got, want)
		}
	}
}

// Keys of what belongs to a group begin with its prefix, and keys of no other group do.
func TestPartKeys(t *testing.T) {
	name := rapid.StringMatching(`[a/]{1,3}`) // so that some begin as others do
	rapid.Check(t, func(t *rapid.T) {
		a, b := name.Draw(t, "one"), name.Draw(t, "other")
		h := Hook{Region: "r", Account: "1", Group: b, Name: name.Draw(t, "hook")}
		if strings.HasPrefix(h.Key(), PartPrefix("r", "1", a)) != (a == b) || h.Key() != PartKey("r", "1", b, h.Name) {
			t.Fatalf("%q and the group %q", h.Key(), a)
		}
	})
}

// A member waits for the hooks of its transition only, with one action each.
func TestHoldFor(t *testing.T) {
	i := member(t, group())
	hooks := []*Hook{hook("a", WhenLaunching, 60, Abandon), hook("b", WhenTerminating, 90, Continue),
		hook("c", WhenLaunching, 30, Continue)}
	up := i.HoldFor(WhenLaunching, hooks, tokens(), now)
	want := []LifecycleAction{
		{Hook: "a", Token: "t-1", Heartbeat: 60, Default: Abandon, Until: now.Add(time.Minute),
			End: now.Add(6000 * time.Second)},
		{Hook: "c", Token: "t-2", Heartbeat: 30, Default: Continue, Until: now.Add(30 * time.Second),
			End: now.Add(3000 * time.Second)},
	}
	if up.Scaling.Lifecycle != LifecyclePendingWait || !slices.Equal(up.Scaling.Actions, want) {
		t.Errorf("%+v", up.Scaling)
	}
	if i.Scaling.Actions != nil || i.Scaling.Lifecycle != LifecyclePending {
		t.Error("HoldFor changed the instance that it was given")
	}
	down := i.HoldFor(WhenTerminating, hooks, tokens(), now)
	if down.Scaling.Lifecycle != LifecycleTerminatingWait || len(down.Scaling.Actions) != 1 {
		t.Errorf("%+v", down.Scaling)
	}
	if got := i.HoldFor(WhenTerminating, hooks[:1], tokens(), now); got != nil {
		t.Errorf("nothing to wait for: %+v", got.Scaling)
	}
	if !up.Scaling.Counts() || down.Scaling.Counts() || !down.Scaling.Member() {
		t.Error("a member counts while it waits to come, and not while it waits to go")
	}
	if gone, _ := group().Retire(up, "a", "cause", now); gone.Scaling.Actions != nil {
		t.Errorf("a retired member waits for %+v", gone.Scaling.Actions)
	}
}

// ecs.md 5.9: results, the default at the timeout, and an abandoned action that ends the others.
func TestActionsAt(t *testing.T) {
	at := func(seconds int) time.Time { return now.Add(time.Duration(seconds) * time.Second) }
	const completed = "Lifecycle Action with token t was abandoned: Lifecycle Action Completed with ABANDON Result"
	const timeout = "Lifecycle Action with token t was abandoned: Heartbeat Timeout"
	waits := LifecycleAction{Token: "t", Default: Abandon, Until: at(60)}
	mild, done, given := waits, waits, waits
	mild.Default, done.Result, given.Result = Continue, Continue, Abandon
	late := waits
	late.Until = at(90)
	for what, c := range map[string]struct {
		actions []LifecycleAction
		seconds int
		want    ActionResult
	}{
		"nothing":               {nil, 0, ActionResult{Result: Continue}},
		"waits":                 {[]LifecycleAction{waits}, 59, ActionResult{Again: at(60)}},
		"waits for the first":   {[]LifecycleAction{late, waits, done}, 0, ActionResult{Again: at(60)}},
		"times out":             {[]LifecycleAction{waits}, 60, ActionResult{Result: Abandon, Why: timeout}},
		"times out and goes on": {[]LifecycleAction{mild}, 60, ActionResult{Result: Continue}},
		"one is left":           {[]LifecycleAction{mild, late}, 60, ActionResult{Again: at(90)}},
		"all are completed":     {[]LifecycleAction{done, done}, 0, ActionResult{Result: Continue}},
		"late, but completed":   {[]LifecycleAction{done}, 600, ActionResult{Result: Continue}},
		"one is abandoned":      {[]LifecycleAction{late, given}, 0, ActionResult{Result: Abandon, Why: completed}},
	} {
		if got := (Membership{Actions: c.actions}).ActionsAt(at(c.seconds)); got != c.want {
			t.Errorf("%s: %+v, want %+v", what, got, c.want)
		}
	}
}

// ecs.md 4.10: ECS sends heartbeats for as long as it drains, so only the global timeout ends its action, and no other
// heartbeat makes that earlier.
func TestDrainingHookLasts(t *testing.T) {
	hooks := []*Hook{hook(DrainingHook, WhenTerminating, 3600, Continue), hook("b", WhenTerminating, 3600, Continue)}
	i := member(t, group()).HoldFor(WhenTerminating, hooks, tokens(), now)
	i, _ = i.Heartbeat(DrainingHook, now.Add(time.Minute))
	end := now.Add(48 * time.Hour)
	if got := i.Scaling.Actions[0].Until; !got.Equal(end) {
		t.Errorf("the action ends at %v, want %v", got, end)
	}
	if got := i.Scaling.Actions[1].Until; !got.Equal(now.Add(time.Hour)) {
		t.Errorf("the other action ends at %v", got)
	}
	if !i.Scaling.WaitsFor(DrainingHook) || i.Scaling.WaitsFor("c") {
		t.Error("it waits for the wrong hook")
	}
	done, _ := i.Complete(DrainingHook, Continue)
	if done.Scaling.WaitsFor(DrainingHook) || !done.Scaling.WaitsFor("b") {
		t.Error("a completed action is not open, and the other one is")
	}
}

func TestWithoutHook(t *testing.T) {
	for transition, want := range map[Transition]HookResult{WhenLaunching: Abandon, WhenTerminating: Continue} {
		h := hook("a", transition, 60, Abandon)
		i := member(t, group()).HoldFor(transition, []*Hook{h}, tokens(), now)
		if c, ok := i.WithoutHook("a"); !ok || c.Scaling.ActionsAt(now).Result != want {
			t.Errorf("%s: %+v", transition, c)
		}
		if c, ok := i.WithoutHook("b"); ok {
			t.Errorf("%s: the end of another hook changed %+v", transition, c)
		}
	}
}

// Whatever is done to an action, and in which order: it ends once, a heartbeat never moves its end
// behind the global timeout, and at the global timeout nothing waits.
func TestActionsEnd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var hooks []*Hook
		for n := range rapid.IntRange(1, 3).Draw(rt, "hooks") {
			hooks = append(hooks, hook(fmt.Sprint("h", n), WhenLaunching, rapid.IntRange(30, 7200).Draw(rt,
				"heartbeat"),
				rapid.SampledFrom([]HookResult{Continue, Abandon}).Draw(rt, "default")))
		}
		i := member(t, group()).HoldFor(WhenLaunching, hooks, tokens(), now)
		at, ended := now, map[string]bool{}
		for range rapid.IntRange(0, 20).Draw(rt, "steps") {
			at = at.Add(time.Duration(rapid.IntRange(0, 4000).Draw(rt, "seconds")) * time.Second)
			name := rapid.SampledFrom(hooks).Draw(rt, "hook").Name
			c, ok := i.Heartbeat(name, at)
			if rapid.IntRange(0, 4).Draw(rt, "complete") == 0 {
				c, ok = i.Complete(name, rapid.SampledFrom([]HookResult{Continue, Abandon}).Draw(rt, "result"))
				if ok == ended[name] {
					rt.Fatalf("%s has ended: %v, and was completed: %v", name, ended[name], ok)
				}
				ended[name] = true
			}
			if ok {
				i = c
			}
		}
		var end time.Time
		for _, a := range i.Scaling.Actions {
			if a.Until.After(a.End) {
				rt.Fatalf("%s lasts until %v, which is behind %v", a.Hook, a.Until, a.End)
			}
			if a.End.After(end) {
				end = a.End
			}
			if !i.Scaling.HasToken(a.Token) || i.Scaling.HasToken("x") {
				rt.Fatalf("tokens of %+v", i.Scaling.Actions)
			}
		}
		if got := i.Scaling.ActionsAt(end); got.Result == "" {
			rt.Fatalf("it waits for ever: %+v", got)
		}
	})
}
