package route

import (
	"encoding/json"
	"maps"
	"net/netip"
	"reflect"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
)

// drawModel makes a configuration by the given number of changes to an empty one.
func drawModel(t *rapid.T, m *model, steps int) *model {
	for range steps {
		m.change(t, &Config{})
	}
	for _, key := range slices.Sorted(maps.Keys(m.targets)) {
		if rapid.Bool().Draw(t, "judged") {
			m.health[key] = elb.Verdict{Key: key, Registered: m.targets[key].Registered,
				State: rapid.SampledFrom([]string{elb.Healthy, elb.Unhealthy}).Draw(t, "state")}
		}
	}
	return m
}

func lost[T any](before, after map[string]T) []string {
	var list []string
	for key := range before {
		if _, ok := after[key]; !ok {
			list = append(list, key)
		}
	}
	slices.Sort(list)
	return list
}

func (m *model) clone() *model {
	return &model{maps.Clone(m.balancers), maps.Clone(m.listeners), maps.Clone(m.rules), maps.Clone(m.groups),
		maps.Clone(m.targets), maps.Clone(m.health)}
}

// apply applies a change to the compiler's present revision.
func apply(t rapid.TB, c *Compiler, cfg Config) {
	t.Helper()
	cfg.Since, cfg.Revision = c.Revision(), c.Revision()+1
	if err := c.Apply(cfg); err != nil {
		t.Fatal(err)
	}
}

// follow applies changes one after the other and compiles after each.
func follow(t *testing.T, c *Compiler, changes ...Config) (last Changes) {
	t.Helper()
	for _, cfg := range changes {
		apply(t, c, cfg)
		last = c.Compile()
	}
	return last
}

// A whole configuration replaces any earlier one. The table is the one compiled from it alone, and the
// changes list as gone exactly the rows that are only in the earlier one.
func TestWholeReplacesWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		before := drawModel(t, newModel(), rapid.IntRange(0, 25).Draw(t, "before"))
		after := drawModel(t, before.clone(), rapid.IntRange(0, 25).Draw(t, "after"))
		for key, target := range after.targets { // health is not replaced if the registration is the same
			if old, ok := before.targets[key]; ok && old.Registered.Equal(target.Registered) {
				delete(after.health, key)
				if h, ok := before.health[key]; ok {
					after.health[key] = h
				}
			}
		}
		c := compile(before.config())
		if err := c.Apply(after.config()); err != nil {
			t.Fatal(err)
		}
		changes := c.Compile()
		if got, want := c.String(), compile(after.config()).String(); got != want {
			t.Fatalf("the table is\n%s\nthe second configuration alone compiles to\n%s", got, want)
		}
		for what, pair := range map[string][2][]string{
			"load balancers": {changes.Gone.LoadBalancers, lost(before.balancers, after.balancers)},
			"listeners":      {changes.Gone.Listeners, lost(before.listeners, after.listeners)},
			"target groups":  {changes.Gone.TargetGroups, lost(before.groups, after.groups)},
			"targets":        {changes.Gone.Targets, lost(before.targets, after.targets)},
		} {
			if slices.Sort(pair[0]); !slices.Equal(pair[0], pair[1]) {
				t.Fatalf("%s that are gone: %v, want %v", what, pair[0], pair[1])
			}
		}
	})
}

// Applying a configuration a second time changes nothing: no table, group, target or problem is made again.
func TestTheSameAgainIsNoChange(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawModel(t, newModel(), rapid.IntRange(0, 30).Draw(t, "steps")).config()
		c := compile(cfg)
		table, text := c.Table(), c.String()
		for i := range cfg.Health { // nor do verdicts that are already known
			c.Judge(cfg.Health[i])
		}
		if err := c.Apply(cfg); err != nil {
			t.Fatal(err)
		}
		if got := c.Compile(); !reflect.DeepEqual(got, Changes{}) || c.Table() != table || c.String() != text {
			t.Fatalf("made again: %+v", got)
		}
	})
}

// A configuration compiles to the same table after it was written as JSON and read again.
func TestConfigurationsCanBeSent(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		cfg := drawModel(t, newModel(), rapid.IntRange(0, 30).Draw(t, "steps")).config()
		text, err := json.Marshal(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var read Config
		if err := json.Unmarshal(text, &read); err != nil {
			t.Fatal(err)
		}
		if got, want := compile(read).String(), compile(cfg).String(); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

// A configuration that is refused changes nothing, and the next one works.
func TestRefusedConfigurationChangesNothing(t *testing.T) {
	w := newWorld()
	w.Revision = 5
	c := compile(w.Config)
	before := c.String()
	gap := Config{Since: 6, Revision: 7, Gone: Gone{TargetGroups: []string{"tg"}, Rules: []string{w.Rules[0].ARN}}}
	if err := c.Apply(gap); err == nil || c.Revision() != 5 {
		t.Fatalf("a configuration with a gap was accepted: %v, revision %d", err, c.Revision())
	}
	if changes := c.Compile(); !reflect.DeepEqual(changes, Changes{}) || c.String() != before {
		t.Fatalf("a refused configuration changed %+v", changes)
	}
	gap.Since = 5
	if err := c.Apply(gap); err != nil || c.Revision() != 7 {
		t.Fatal(err)
	}
	if changes := c.Compile(); c.Group("tg") != nil || !slices.Equal(changes.Gone.TargetGroups, []string{"tg"}) {
		t.Fatalf("the next configuration changed %+v", changes)
	}
}

// What the caller stores with a listener, a use or a target stays as long as that exists. It is lost when the
// row is removed, even if the same row is added again.
func TestWhatIsKeptStays(t *testing.T) {
	w := newWorld()
	w.target("tg", "10.0.0.1", elb.Healthy)
	w.Revision = 1
	c := NewCompiler()
	if err := c.Apply(w.Config); err != nil {
		t.Fatal(err)
	}
	first := c.Compile()
	first.Listeners[0].Kept, first.Uses[0].Kept, first.Targets[0].Kept = "listener", "use", "target"
	change := func(cfg Config) Changes { return follow(t, c, cfg) }
	keeps := func(when, listener, use, target string) {
		t.Helper()
		text := func(v any) string {
			s, _ := v.(string)
			return s
		}
		l := c.Table().Listener(80, "")
		got := []string{text(l.Kept), text(l.Match(&Request{}).Forward.Uses()[0].Kept),
			text(c.Group("tg").Registered[0].Kept)}
		if !slices.Equal(got, []string{listener, use, target}) {
			t.Errorf("after %s: kept %q, want %q", when, got, []string{listener, use, target})
		}
	}
	listener := w.Listeners[0]
	listener.Attributes = map[string]string{elb.ServerHeaderAttribute: "false"}
	change(Config{Listeners: []elb.Listener{listener}})
	keeps("a change of the listener", "listener", "use", "target")
	group := w.TargetGroups[0]
	group.HealthCheck.Path = "/health"
	if got := change(Config{TargetGroups: []elb.TargetGroup{group}}); len(got.Targets) != 1 || got.Table != nil {
		t.Errorf("new probe settings concern %d targets, table %v", len(got.Targets), got.Table)
	}
	keeps("a change of the group", "listener", "use", "target")
	c.Judge(elb.Verdict{Key: w.Targets[0].Key(), Registered: epoch, State: elb.Unhealthy})
	change(Config{})
	keeps("a verdict", "listener", "use", "target")
	again := w.Targets[0]
	again.Registered = epoch.Add(time.Hour)
	change(Config{Targets: []elb.Target{again}})
	keeps("a registration anew", "listener", "use", "target")
	if c.Group("tg").Choices() != 0 {
		t.Error("a target that was registered again has the health of the earlier registration")
	}
	change(Config{Gone: Gone{Targets: []string{again.Key()}}})
	change(Config{Targets: []elb.Target{again}})
	keeps("an end of the target", "listener", "use", "")
	change(Config{Gone: Gone{TargetGroups: []string{"tg"}}})
	change(Config{TargetGroups: []elb.TargetGroup{group}})
	keeps("an end of the group", "listener", "", "")
	change(Config{Gone: Gone{Listeners: []string{listener.ARN}}})
	change(Config{Listeners: []elb.Listener{listener}})
	keeps("an end of the listener", "", "", "")
}

// A target group that no rule forwards to is not compiled, and its targets are not reported. They are
// reported when a rule is added, and retired when the last rule is removed (alb.md H8).
func TestGroupsInUse(t *testing.T) {
	w := newWorld()
	w.group("spare", nil)
	w.target("spare", "10.0.0.1", elb.Healthy)
	w.target("spare", "10.0.0.2", elb.Draining)
	w.Revision = 1
	c := NewCompiler()
	if err := c.Apply(w.Config); err != nil {
		t.Fatal(err)
	}
	if got := c.Compile(); len(got.Targets) != 0 || c.Group("spare") != nil || c.Group("tg") == nil {
		t.Fatalf("a group without rules: %d targets are reported", len(got.Targets))
	}
	for i, rule := range []elb.Rule{
		{ARN: "r1", ListenerARN: listenerARN("web", 80), Priority: 1, Actions: []elb.Action{forward("spare")}},
		{ARN: "r2", ListenerARN: listenerARN("web", 80), Priority: 2, Actions: []elb.Action{forward("tg", "spare")}},
	} {
		got := follow(t, c, Config{Rules: []elb.Rule{rule}})
		if len(got.Targets) != 2-2*i || c.Group("spare") == nil || len(got.Uses) != 1-i {
			t.Fatalf("rule %d: %d targets and %d uses are reported", i+1, len(got.Targets), len(got.Uses))
		}
	}
	for i, arn := range []string{"r1", "r2", "r2"} {
		want := []string{}
		if i == 1 {
			want = []string{w.Targets[0].Key(), w.Targets[1].Key()}
		}
		got := follow(t, c, Config{Gone: Gone{Rules: []string{arn}}})
		if !slices.Equal(got.Retired, want) || (c.Group("spare") != nil) != (i == 0) {
			t.Fatalf("without rule %s: retired %v, want %v", arn, got.Retired, want)
		}
	}
}

// Reports about targets, groups and rules that do not exist, or about an earlier registration, change
// nothing.
func TestStrangersChangeNothing(t *testing.T) {
	w := newWorld()
	w.target("tg", "10.0.0.1", elb.Healthy)
	w.Revision = 1
	c := compile(w.Config)
	before := c.String()
	for _, v := range []elb.Verdict{
		{Key: elb.TargetKey("nowhere", "10.0.0.1", 3000), Registered: epoch, State: elb.Unhealthy},
		{Key: elb.TargetKey("tg", "10.0.0.2", 3000), Registered: epoch, State: elb.Unhealthy},
		{Key: w.Targets[0].Key(), Registered: epoch.Add(-time.Second), State: elb.Unhealthy},
		{Key: w.Targets[0].Key(), Registered: epoch.Add(time.Second), State: elb.Unhealthy},
		{Key: w.Targets[0].Key(), Registered: epoch.In(time.FixedZone("", 3600)), State: elb.Healthy},
	} {
		if c.Judge(v); c.String() != before {
			t.Errorf("%+v changed the state before it was compiled", v)
		}
		if got := c.Compile(); !reflect.DeepEqual(got, Changes{}) || c.String() != before {
			t.Errorf("%+v changed %+v", v, got)
		}
	}
	gone := Gone{LoadBalancers: []string{"x"}, Listeners: []string{"x"}, Rules: []string{"x"},
		TargetGroups: []string{"x"},
		Targets:      []string{elb.TargetKey("x", "i", 1), elb.TargetKey("tg", "10.0.0.2", 3000)}}
	if got := follow(t, c, Config{Gone: gone}); !reflect.DeepEqual(got, Changes{}) || c.String() != before {
		t.Errorf("deleting rows that never existed changed %+v", got)
	}
}

// The parts of a configuration may arrive in any order: a listener is compiled when its load balancer has
// arrived too, and has no rules before they arrive.
func TestPartsInAnyOrder(t *testing.T) {
	w := newWorld()
	w.target("tg", "10.0.0.1", elb.Healthy)
	want := compile(w.Config).String()
	parts := []Config{{LoadBalancers: w.LoadBalancers}, {Listeners: w.Listeners}, {Rules: w.Rules},
		{TargetGroups: w.TargetGroups}, {Targets: w.Targets, Health: w.Health}}
	rapid.Check(t, func(t *rapid.T) {
		c := compile(Config{Revision: 1})
		for _, part := range rapid.Permutation(parts).Draw(t, "order") {
			apply(t, c, part)
			if rapid.Bool().Draw(t, "compile") {
				c.Compile()
				l := c.Table().Listener(80, "")
				if complete := c.balancers["web"] != nil && c.listeners[listenerARN("web", 80)] != nil &&
					c.listeners[listenerARN("web", 80)].row != nil; (l != nil) != complete {
					t.Fatalf("listener %+v, all parts there: %v", l, complete)
				}
				if l != nil && len(c.rules) == 0 && l.Match(&Request{}) != nil {
					t.Fatal("a listener without rules matches a rule")
				}
			}
		}
		if c.Compile(); c.String() != want {
			t.Fatalf("got\n%s\nwant\n%s", c, want)
		}
	})
}

// A load balancer that is removed and added again gets new uses and listeners. A listener that moves to
// another load balancer counts as a new one.
func TestWhatIsKeptEndsWithItsLoadBalancer(t *testing.T) {
	w := newWorld()
	w.loadBalancer("other", 1)
	w.Revision = 1
	c := compile(w.Config)
	l := c.Table().Listener(80, "")
	l.Kept, l.Match(&Request{}).Forward.Uses()[0].Kept = "listener", "use"
	back := follow(t, c, Config{Gone: Gone{LoadBalancers: []string{"web"}}},
		Config{LoadBalancers: w.LoadBalancers[:1]})
	if len(back.Uses) != 1 || back.Uses[0].Kept != nil || len(back.Listeners) != 1 || back.Listeners[0].Kept != nil {
		t.Errorf("after adding it again: %+v and %+v", back.Uses, back.Listeners)
	}
	c.Table().Listener(80, "").Kept = "listener"
	moved := w.Listeners[0]
	moved.LoadBalancerARN = "other"
	if got := follow(t, c, Config{Listeners: []elb.Listener{moved}}); len(got.Listeners) != 1 ||
		got.Listeners[0].Kept != nil || got.Listeners[0].LoadBalancerARN != "other" || len(got.Uses) != 1 {
		t.Errorf("after the move: %+v and %+v", got.Uses, got.Listeners)
	}
}

// A target that was added and removed between two compilations is not reported. A target that gets an address
// is no longer a problem, and one that loses it is removed.
func TestTargetsThatChangeTheirMind(t *testing.T) {
	w := newWorld()
	w.target("tg", "10.0.0.1", elb.Healthy)
	w.Revision = 1
	c := compile(w.Config)
	brief := w.Targets[0]
	brief.ID, brief.Address = "zz", "10.0.0.9"
	apply(t, c, Config{Targets: []elb.Target{brief}})
	apply(t, c, Config{Gone: Gone{Targets: []string{brief.Key()}}})
	if got := c.Compile(); len(got.Targets) != 0 || len(c.Group("tg").Registered) != 1 {
		t.Errorf("reported: %+v", got.Targets)
	}
	clean := c.String()
	brief.Address = "nowhere"
	follow(t, c, Config{Targets: []elb.Target{brief}})
	if c.String() == clean {
		t.Error("a target without an address is not reported as a problem")
	}
	brief.Address = "10.0.0.9"
	if got := follow(t, c, Config{Targets: []elb.Target{brief}}); len(got.Targets) != 1 || c.String() != clean {
		t.Errorf("with an address it is reported as %+v:\n%s", got.Targets, c)
	}
	c.Judge(elb.Verdict{Key: brief.Key(), Registered: epoch, State: elb.Healthy})
	c.Compile()
	c.Judge(elb.Verdict{Key: brief.Key(), Registered: epoch, State: elb.Healthy, SlowStart: epoch})
	if c.Compile(); !c.Group("tg").Find(brief.Key()).SlowStart.Equal(epoch) {
		t.Error("the start of a slow start does not change the table")
	}
	brief.Address = ""
	if got := follow(t, c, Config{Targets: []elb.Target{brief}}); len(got.Problems) != 1 ||
		len(c.Group("tg").Registered) != 1 || !slices.Equal(got.Gone.Targets, []string{brief.Key()}) {
		t.Errorf("without one again: %+v", got)
	}
}

// Names of load balancers ignore case. When two (in two regions) have the same name, it belongs to the one
// created first, and each has its own DNS name. A new address alone makes a new table.
func TestNamesAndAddressesOfLoadBalancers(t *testing.T) {
	w := newWorld()
	for i, arn := range []string{"second", "first", "oldest"} {
		w.loadBalancer(arn, i+1)
		if arn != "oldest" {
			w.LoadBalancers[i+1].Name = "Shop"
		}
		w.listener(arn, 80)
		w.rule(arn, 80, 0, nil, forward("tg"))
	}
	w.Addresses = map[string]netip.Addr{"web": netip.MustParseAddr("172.30.0.1")}
	w.Revision = 1
	c := compile(w.Config)
	for host, want := range map[string]string{"shop.localhost": "first", "SHOP.localhost:80": "first",
		"second-1.us-east-1.elb.amazonaws.com": "second", "First-1.us-east-1.elb.amazonaws.com": "first",
		"web.localhost": "web", "shop": "oldest", "second.localhost": "oldest"} {
		if l := c.Table().Listener(80, host); l.LoadBalancerARN != want {
			t.Errorf("%s is a name of %s, want %s", host, l.LoadBalancerARN, want)
		}
	}
	moved := map[string]netip.Addr{"web": netip.MustParseAddr("172.30.0.2")}
	got := follow(t, c, Config{LoadBalancers: w.LoadBalancers[:1], Addresses: moved})
	if own := c.Table().OwnAddresses(); got.Table == nil || len(own) != 1 || own[0].String() != "172.30.0.2:80" {
		t.Errorf("addresses %v, table %v", own, got.Table)
	}
	follow(t, c, Config{Gone: Gone{LoadBalancers: []string{"web"}}})
	if own := c.Table().OwnAddresses(); len(own) != 0 {
		t.Errorf("addresses after the load balancers were removed: %v", own)
	}
}
