package route

import (
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
)

// model is a configuration as maps, so that the test can add and remove rows.
type model struct {
	balancers map[string]elb.LoadBalancer
	listeners map[string]elb.Listener
	rules     map[string]elb.Rule
	groups    map[string]elb.TargetGroup
	targets   map[string]elb.Target
	health    map[string]elb.Verdict
}

func newModel() *model {
	return &model{map[string]elb.LoadBalancer{}, map[string]elb.Listener{}, map[string]elb.Rule{},
		map[string]elb.TargetGroup{},
		map[string]elb.Target{}, map[string]elb.Verdict{}}
}

func (m *model) config() Config {
	return Config{Revision: 1, LoadBalancers: slices.Collect(maps.Values(m.balancers)),
		Listeners: slices.Collect(maps.Values(m.listeners)),
		Rules:     slices.Collect(maps.Values(m.rules)), TargetGroups: slices.Collect(maps.Values(m.groups)),
		Targets: slices.Collect(maps.Values(m.targets)), Health: slices.Collect(maps.Values(m.health))}
}

// toggle puts the row, or removes it if it exists and away is true.
func toggle[T any](rows map[string]T, key string, row T, away bool, put *[]T, gone *[]string) {
	if _, there := rows[key]; there && away {
		delete(rows, key)
		*gone = append(*gone, key)
		return
	}
	rows[key] = row
	*put = append(*put, row)
}

// change changes one row of the model and adds that change to cfg.
func (m *model) change(t *rapid.T, cfg *Config) {
	n, away := rapid.IntRange(0, 2).Draw(t, "n"), rapid.Bool().Draw(t, "away")
	lb, l, g := fmt.Sprint("lb", n), fmt.Sprint("l", n), fmt.Sprint("g", rapid.IntRange(0, 2).Draw(t, "group"))
	switch rapid.SampledFrom([]string{
		"lb", "listener", "rule", "group", "target", "target", "drain", "anew",
	}).Draw(t, "what") {
	case "lb":
		toggle(m.balancers, lb, elb.LoadBalancer{
			ARN: lb, Name: lb, DNSName: lb + ".x", Created: epoch.Add(time.Duration(n)),
		}, away, &cfg.LoadBalancers, &cfg.Gone.LoadBalancers)
	case "listener":
		of := fmt.Sprint("lb", rapid.IntRange(0, 2).Draw(t, "of"))
		toggle(m.listeners, l, elb.Listener{ARN: l, LoadBalancerARN: of, Protocol: elb.HTTP, Port: 80 + n/2},
			away, &cfg.Listeners, &cfg.Gone.Listeners)
	case "rule":
		arn := fmt.Sprint("r", rapid.IntRange(0, 4).Draw(t, "rule"))
		to := forward(g, fmt.Sprint("g", n))
		toggle(m.rules, arn, elb.Rule{ARN: arn, ListenerARN: l, Priority: n, Actions: []elb.Action{to}}, away,
			&cfg.Rules, &cfg.Gone.Rules)
	case "group":
		attributes := map[string]string{minCount: fmt.Sprint(n)}
		toggle(m.groups, g, elb.TargetGroup{ARN: g, Attributes: attributes}, away, &cfg.TargetGroups,
			&cfg.Gone.TargetGroups)
	default:
		target := elb.Target{
			TargetGroupARN: g, ID: "i", Port: n + 1, Address: fmt.Sprint("10.0.0.", n), Registered: epoch,
		}
		if old, ok := m.targets[target.Key()]; ok {
			target.Registered = old.Registered
		}
		switch rapid.IntRange(0, 3).Draw(t, "kind") {
		case 0:
			target.Draining = epoch
		case 1:
			target.Registered = target.Registered.Add(time.Second)
		}
		toggle(m.targets, target.Key(), target, away, &cfg.Targets, &cfg.Gone.Targets)
	}
}

// judge gives the model and the compiler the same verdict on a target.
func (m *model) judge(t *rapid.T, c *Compiler) {
	keys := slices.Sorted(maps.Keys(m.targets))
	if len(keys) == 0 {
		return
	}
	key := rapid.SampledFrom(keys).Draw(t, "key")
	h := elb.Verdict{Key: key, Registered: m.targets[key].Registered,
		State: rapid.SampledFrom([]string{elb.Healthy, elb.Unhealthy}).Draw(t, "state")}
	m.health[key] = h
	c.Judge(h)
}

// After any changes and verdicts, the compiled table equals the one compiled from the whole configuration.
// What the caller stores with a target is removed with the target.
func TestChangesCompileToTheSameAsTheWhole(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		m, c := newModel(), NewCompiler()
		if err := c.Apply(Config{Revision: 1}); err != nil {
			t.Fatal(err)
		}
		kept := map[string]int{}
		for i := range rapid.IntRange(1, 30).Draw(t, "steps") {
			var cfg Config
			m.change(t, &cfg)
			apply(t, c, cfg)
			if rapid.Bool().Draw(t, "verdict") {
				m.judge(t, c)
			}
			changes := c.Compile()
			for _, key := range changes.Gone.Targets {
				delete(kept, key)
				delete(m.health, key)
			}
			for _, target := range changes.Targets {
				if kept[target.Key] == 0 {
					kept[target.Key] = i + 1
				}
				target.Kept = kept[target.Key]
			}
			whole := compile(m.config())
			if got, want := c.String(), whole.String(); got != want {
				t.Fatalf("after %+v the table is:\n%s\nthe whole configuration compiles to:\n%s", cfg, got, want)
			}
			for arn := range m.groups {
				g := c.Group(arn)
				if (g == nil) != (whole.Group(arn) == nil) {
					t.Fatalf("group %s is in the table: %v", arn, g != nil)
				}
				for j := range g.targets() {
					if k := g.Registered[j]; k.Kept != kept[k.Key] || *k.plain() != *whole.Group(arn).Registered[j] {
						t.Fatalf("target %+v, stored with the caller: %v, the whole has %+v", k, kept[k.Key],
							whole.Group(arn).Registered[j])
					}
				}
			}
		}
	})
}

func (g *Group) targets() []*Target {
	if g == nil {
		return nil
	}
	return g.Registered
}

func (t *Target) plain() *Target {
	c := *t
	c.Kept = nil
	return &c
}

// A change of another revision than the present one is refused, since the changes between them are missing.
func TestGapIsRefused(t *testing.T) {
	c := compile(Config{Revision: 5})
	if err := c.Apply(Config{Since: 4, Revision: 6}); !errors.Is(err, ErrGap) {
		t.Error(err)
	}
	if err := c.Apply(Config{Since: 5, Revision: 6}); err != nil {
		t.Error(err)
	}
	if err := c.Apply(Config{Revision: 3}); err != nil || c.Revision() != 3 {
		t.Error("a whole configuration replaces any other", err)
	}
}

// many makes n load balancers, each with a target group of ten healthy targets.
func many(n int) (*Compiler, *world) {
	w := &world{}
	for i := range n {
		lb, g := fmt.Sprint("lb", i), fmt.Sprint("g", i)
		w.loadBalancer(lb, i)
		w.listener(lb, 80)
		w.group(g, nil)
		w.rule(lb, 80, 0, nil, forward(g))
		for j := range 10 {
			w.target(g, netip.AddrFrom4([4]byte{10, 0, byte(i), byte(j)}).String(), elb.Healthy)
		}
	}
	w.Revision = 1
	return compile(w.Config), w
}

// A verdict or a registration compiles one target group and no listener, however many load balancers there
// are.
func TestWorkDoesNotGrowWithOtherLoadBalancers(t *testing.T) {
	for _, n := range []int{1, 10, 200} {
		c, w := many(n)
		h := w.Health[0]
		h.State = elb.Unhealthy
		c.Judge(h)
		if got := c.Compile(); len(got.Groups) != 1 || got.Table != nil || len(got.Listeners) != 0 ||
			len(got.Targets) != 0 {
			t.Errorf("a verdict, with %d other load balancers, compiled %d groups, %d listeners, %d targets", n-1,
				len(got.Groups), len(got.Listeners), len(got.Targets))
		}
		more := w.Targets[0]
		more.ID, more.Address = "new", "10.1.1.1"
		if err := c.Apply(Config{Targets: []elb.Target{more}, Since: 1, Revision: 2}); err != nil {
			t.Fatal(err)
		}
		if got := c.Compile(); len(got.Groups) != 1 || got.Table != nil || len(got.Targets) != 1 {
			t.Errorf("a registration, with %d other load balancers, compiled %d groups and reported %d targets", n-1,
				len(got.Groups), len(got.Targets))
		}
	}
}

// BenchmarkVerdict measures one verdict in groups of several sizes.
func BenchmarkVerdict(b *testing.B) {
	for _, n := range []int{10, 500, 1000} {
		b.Run(fmt.Sprint(n, "targets"), func(b *testing.B) {
			w := newWorld()
			for i := range n {
				w.target("tg", netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String(), elb.Healthy)
			}
			c := compile(w.Config)
			states := [2]string{elb.Unhealthy, elb.Healthy}
			for i := 0; b.Loop(); i++ {
				h := w.Health[i%n]
				h.State = states[i/n%2]
				c.Judge(h)
				c.Compile()
			}
		})
	}
}
