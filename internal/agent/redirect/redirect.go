// Package redirect leads what containers send to 169.254.170.2, port 80, to the
// agent, by rules in iptables' nat table, and keeps everybody else from where the
// agent listens, by a fence. It also puts the rules around the networks of the
// agent's containers (see [fence.Networks]).
//
// Every rule carries the name of its agent in a comment. The rules of one agent
// never touch another's, they are put again at every start (those of a life that
// ended by kill -9 are removed first), and whenever somebody has restored a firewall
// that does not know them. [Rules.Clear] takes away what leads to the agent. The rules
// around networks stay as long as the containers, which outlive an agent, until
// [Rules.Unguard]. A Rules is safe for concurrent use.
package redirect

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/berthhq/berth/internal/fence"
)

// Address is where containers find their agent.
const Address = "169.254.170.2/32"

// Rules are the rules of one agent.
type Rules struct {
	comment  string
	fence    barrier
	networks guard
	// run calls iptables with arguments; a test replaces it.
	run func(ctx context.Context, args ...string) (string, error)

	mu      sync.Mutex // guards what follows
	bridge  string     // of the agent's own network
	target  netip.AddrPort
	tasks   map[string]netip.Addr    // by ARN
	guarded map[string]fence.Network // by bridge
}

// guard is a [fence.Networks].
type guard interface {
	Put(ctx context.Context, networks []fence.Network) error
	Remove(ctx context.Context) error
}

// barrier is a [fence.Fence].
type barrier interface {
	Put(ctx context.Context, where netip.AddrPort) error
	Remove(ctx context.Context) error
}

// New makes the rules of the agent called instance; none is put yet.
func New(instance string) *Rules {
	return &Rules{
		comment: "berth:" + instance, fence: fence.New(instance), networks: fence.NewNetworks(instance), run: iptables,
		tasks: map[string]netip.Addr{}, guarded: map[string]fence.Network{},
	}
}

func iptables(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "iptables", append([]string{"-w", "10", "-t", "nat"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("iptables %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Install leads the containers of the bridge, those of tasks added so far and
// processes in the machine's own network (host mode) to target. When it returns
// nil, nobody else reaches target: the agent may listen.
func (r *Rules) Install(ctx context.Context, bridge string, target netip.AddrPort) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if err := r.clearLocked(ctx); err != nil {
		return err
	}
	if err := r.fence.Put(ctx, target); err != nil {
		return err
	}
	r.bridge, r.target = bridge, target
	return r.putMissingLocked(ctx)
}

// putMissingLocked puts those of the redirections that are not there.
func (r *Rules) putMissingLocked(ctx context.Context) error {
	there := map[string]bool{}
	for _, chain := range []string{"PREROUTING", "OUTPUT"} {
		rules, err := r.own(ctx, chain)
		if err != nil {
			return err
		}
		for _, rule := range rules {
			there[source(rule)] = true
		}
	}
	var errs []error
	want := func(action, chain string, match ...string) {
		if !there[source(append([]string{"-A", chain}, match...))] {
			errs = append(errs, r.put(ctx, action, chain, match...))
		}
	}
	want("-I", "PREROUTING", "-i", r.bridge)
	want("-A", "OUTPUT")
	for address := range r.addressesLocked() {
		want("-I", "PREROUTING", "-s", address.String()+"/32")
	}
	return errors.Join(errs...)
}

// source is the chain of a rule, and where what it matches comes from.
func source(rule []string) string {
	chain := rule[1]
	for i := 2; i+1 < len(rule); i++ {
		if rule[i] == "-i" || rule[i] == "-s" {
			return chain + " " + rule[i] + " " + rule[i+1]
		}
	}
	return chain
}

// Guard keeps neighbours from the network's containers, and, if that is asked for, those from the metadata service of the
// machine's cloud. It returns nil when the rules are there.
func (r *Rules) Guard(ctx context.Context, network fence.Network) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.guarded[network.Bridge] = network
	return r.guardLocked(ctx)
}

func (r *Rules) guardLocked(ctx context.Context) error {
	if len(r.guarded) == 0 {
		return nil
	}
	return r.networks.Put(ctx, slices.Collect(maps.Values(r.guarded)))
}

// Keep puts what has been lost of the rules.
func (r *Rules) Keep(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.guardLocked(ctx)
	if !r.target.IsValid() {
		return err
	}
	return errors.Join(err, r.fence.Put(ctx, r.target), r.putMissingLocked(ctx))
}

// Unguard removes the rules around networks, also of an earlier life. The networks have no containers of this agent any more.
func (r *Rules) Unguard(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	clear(r.guarded)
	return r.networks.Remove(ctx)
}

func (r *Rules) put(ctx context.Context, action, chain string, match ...string) error {
	args := append([]string{action, chain}, match...)
	_, err := r.run(ctx, append(args, r.rest()...)...)
	return err
}

func (r *Rules) rest() []string {
	return []string{"-d", Address, "-p", "tcp", "--dport", "80", "-m", "comment", "--comment", r.comment,
		"-j", "DNAT", "--to-destination", r.target.String()}
}

// addressesLocked are those of the tasks, each once.
func (r *Rules) addressesLocked() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, address := range r.tasks {
		out[address] = true
	}
	return out
}

// Add leads the task with an address of its own to the agent too. Of a task that has
// stopped and one that was given its address there is one rule.
func (r *Rules) Add(ctx context.Context, task string, address netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	there := r.addressesLocked()[address]
	r.tasks[task] = address
	if !r.target.IsValid() {
		return nil // Install will put it
	}
	err := r.fence.Put(ctx, r.target) // the task's network may be new
	if there {
		return err
	}
	return errors.Join(err, r.put(ctx, "-I", "PREROUTING", "-s", address.String()+"/32"))
}

// Remove undoes Add.
func (r *Rules) Remove(ctx context.Context, task string) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	address, known := r.tasks[task]
	delete(r.tasks, task)
	if !known || r.addressesLocked()[address] || !r.target.IsValid() {
		return nil
	}
	return r.put(ctx, "-D", "PREROUTING", "-s", address.String()+"/32")
}

// Clear removes every rule of this agent, also of an earlier life. The agent does
// not listen any more.
func (r *Rules) Clear(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.target = netip.AddrPort{}
	return errors.Join(r.clearLocked(ctx), r.fence.Remove(ctx))
}

func (r *Rules) clearLocked(ctx context.Context) error {
	for _, chain := range []string{"PREROUTING", "OUTPUT"} {
		rules, err := r.own(ctx, chain)
		if err != nil {
			return err
		}
		for _, rule := range rules {
			rule[0] = "-D"
			if _, err := r.run(ctx, rule...); err != nil {
				return err
			}
		}
	}
	return nil
}

// own are the rules of this agent in a chain, as arguments of iptables.
func (r *Rules) own(ctx context.Context, chain string) (own [][]string, err error) {
	rules, err := r.run(ctx, "-S", chain)
	for rule := range strings.Lines(rules) {
		args := strings.Fields(rule)
		for i := range args {
			args[i] = strings.Trim(args[i], `"`)
		}
		if len(args) > 2 && args[0] == "-A" && slices.Contains(args, r.comment) {
			own = append(own, args)
		}
	}
	return own, err
}
