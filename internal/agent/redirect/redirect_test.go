package redirect

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/fence"
)

// table is a nat table. Its rules are those that were added, in the notation of iptables.
type table struct{ rules []string }

func (t *table) run(_ context.Context, args ...string) (string, error) {
	rest := strings.Join(args[1:], " ")
	switch args[0] {
	case "-S":
		out := "-P " + args[1] + " ACCEPT\n"
		for _, r := range t.rules {
			if strings.HasPrefix(r, args[1]+" ") {
				out += "-A " + r + "\n"
			}
		}
		return out, nil
	case "-D":
		t.rules = slices.DeleteFunc(t.rules, func(r string) bool { return r == rest })
	default:
		t.rules = append(t.rules, rest)
	}
	return "", nil
}

// wall is a fence that records the addresses it protects.
type wall struct {
	around netip.AddrPort
	puts   int
	err    error
}

func (w *wall) Put(_ context.Context, where netip.AddrPort) error {
	w.around, w.puts = where, w.puts+1
	return w.err
}

func (w *wall) Remove(context.Context) error {
	w.around = netip.AddrPort{}
	return nil
}

func TestRulesComeAndGo(t *testing.T) {
	other := `OUTPUT -d 169.254.170.2/32 -p tcp --dport 80 -m comment --comment "berth:i-10" -j DNAT ` +
		`--to-destination 172.19.0.1:51679`
	stale := `PREROUTING -i br-old -d 169.254.170.2/32 -p tcp --dport 80 -m comment --comment berth:i-1 -j ` +
		`DNAT --to-destination 172.17.0.9:51679`
	nat := &table{rules: []string{other, stale}}
	r := New("i-1")
	fence := &wall{}
	r.run, r.fence = nat.run, fence
	ctx, task := t.Context(), netip.MustParseAddr("172.31.0.9")
	if err := r.Add(ctx, "a", task); err != nil || len(nat.rules) != 2 {
		t.Fatalf("before Install: %v, %v", nat.rules, err)
	}
	if err := r.Install(ctx, "br-1", netip.MustParseAddrPort("172.18.0.1:51679")); err != nil {
		t.Fatal(err)
	}
	// A firewall is reloaded, and has lost the rules.
	nat.rules = nat.rules[:1]
	if err := r.Keep(ctx); err != nil {
		t.Fatal(err)
	}
	want := []string{other}
	for _, match := range []string{"PREROUTING -i br-1", "OUTPUT", "PREROUTING -s 172.31.0.9/32"} {
		want = append(want, match+" -d 169.254.170.2/32 -p tcp --dport 80 -m comment --comment berth:i-1 "+
			"-j DNAT --to-destination 172.18.0.1:51679")
	}
	if !slices.Equal(nat.rules, want) {
		t.Errorf("rules\n%s\nwant\n%s", strings.Join(nat.rules, "\n"), strings.Join(want, "\n"))
	}
	if fence.around != netip.MustParseAddrPort("172.18.0.1:51679") || fence.puts != 2 {
		t.Errorf("fence %+v", fence)
	}
	// Another task gets the address of the first one, whose rules are removed only later.
	if err := r.Add(ctx, "b", task); err != nil || len(nat.rules) != 4 {
		t.Errorf("after the second Add: %v, %v", nat.rules, err)
	}
	if fence.puts != 3 {
		t.Error("the fence was not updated for the second task, whose network may be new")
	}
	for range 2 {
		if err := r.Remove(ctx, "a"); err != nil || len(nat.rules) != 4 {
			t.Errorf("after Remove of the first: %v, %v", nat.rules, err)
		}
	}
	if err := r.Remove(ctx, "b"); err != nil || len(nat.rules) != 3 {
		t.Errorf("after Remove of the second: %v, %v", nat.rules, err)
	}
	if err := r.Clear(ctx); err != nil || !slices.Equal(nat.rules, []string{other}) {
		t.Errorf("after Clear: %v, %v", nat.rules, err)
	}
	if fence.around.IsValid() {
		t.Error("the fence is still there")
	}
}

// Without a fence, the agent must not listen, and requests are not redirected to it.
func TestNoFence(t *testing.T) {
	nat := &table{}
	r := New("i-1")
	r.run, r.fence = nat.run, &wall{err: errors.New("Permission denied (you must be root)")}
	if err := r.Install(t.Context(), "br-1", netip.MustParseAddrPort("172.18.0.1:51679")); err == nil ||
		len(nat.rules) > 0 {
		t.Errorf("%v, rules %v", err, nat.rules)
	}
}

// border records the networks that are protected.
type border struct {
	networks []fence.Network
	removed  bool
}

func (b *border) Put(_ context.Context, networks []fence.Network) error {
	b.networks = networks
	return nil
}

func (b *border) Remove(context.Context) error {
	b.removed = true
	return nil
}

// After the agent has ended, networks stay protected for as long as they exist.
func TestNetworksOutliveTheAgent(t *testing.T) {
	r, b := New("i-1"), &border{}
	r.run, r.fence, r.networks = (&table{}).run, &wall{}, b
	for _, name := range []string{"br-1", "br-2", "br-1"} {
		if err := r.Guard(t.Context(), fence.Network{Bridge: name, BlockMetadata: true}); err != nil {
			t.Fatal(err)
		}
	}
	b.networks = nil
	if err := errors.Join(r.Keep(t.Context()), r.Clear(t.Context())); err != nil || len(b.networks) != 2 || b.removed {
		t.Errorf("after Clear: %v, %+v", err, b)
	}
	if err := r.Unguard(t.Context()); err != nil || !b.removed {
		t.Errorf("after Unguard: %v, %+v", err, b)
	}
}
