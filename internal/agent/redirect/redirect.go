// Package redirect redirects what containers send to 169.254.170.2, port 80, to the agent, by rules in
// iptables' nat table, and keeps everybody else from the agent's port by a fence. It also puts the rules around
// the networks of the agent's containers (see [fence.Networks]).
//
// Every rule has the name of its agent in a comment, and an agent changes only its own rules. They are put at
// every start, after those of a killed agent have been removed, and again when a firewall was restored without
// them. [Rules.Clear] removes the redirections. The rules around networks stay as long as the containers, which
// outlive an agent, until [Rules.Unguard]. A Rules is safe for concurrent use.
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

// Address is where containers reach their agent.
const Address = "169.254.170.2/32"

// Rules are the rules of one agent.
type Rules struct {
	comment  string
	fence    barrier
	networks guard
	// run runs iptables; tests replace it.
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

// New returns the rules of the agent of an instance without putting any.
func New(instance string) *Rules {
	return &Rules{
		comment: "berth:" + instance, fence: fence.New(instance), networks: fence.NewNetworks(instance), run: iptables,
		tasks: map[string]netip.Addr{}, guarded: map[string]fence.Network{},
	}
}

func iptables(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "iptables",
		append([]string{"-w", "10", "-t", "nat"}, args...)...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("iptables %s: %w: %s", strings.Join(args, " "), err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Install redirects the containers of the bridge, those of added tasks, and processes in the machine's own
// network (host mode) to target. When it returns nil, no other packets reach target, and the agent may listen.
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

// putMissingLocked puts the redirections that are missing.
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

// source returns the chain of a rule and the source that it matches.
func source(rule []string) string {
	chain := rule[1]
	for i := 2; i+1 < len(rule); i++ {
		if rule[i] == "-i" || rule[i] == "-s" {
			return chain + " " + rule[i] + " " + rule[i+1]
		}
	}
	return chain
}

// Guard keeps neighbours from the network's containers and, with BlockMetadata, the containers from the cloud's
// metadata service. It returns nil when the rules are there.
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

// Keep puts the rules that are missing.
func (r *Rules) Keep(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	err := r.guardLocked(ctx)
	if !r.target.IsValid() {
		return err
	}
	return errors.Join(err, r.fence.Put(ctx, r.target), r.putMissingLocked(ctx))
}

// Unguard removes the rules around networks, including those of an earlier run. The networks must have no
// containers of this agent any more.
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

// addressesLocked returns the addresses of the tasks, each once.
func (r *Rules) addressesLocked() map[netip.Addr]bool {
	out := map[netip.Addr]bool{}
	for _, address := range r.tasks {
		out[address] = true
	}
	return out
}

// Add also redirects a task with an address of its own. If a stopped task had the same address before, there is
// one rule for both.
func (r *Rules) Add(ctx context.Context, task string, address netip.Addr) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	there := r.addressesLocked()[address]
	r.tasks[task] = address
	if !r.target.IsValid() {
		return nil // Install puts it
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

// Clear removes every redirection of this agent, including those of an earlier run. The agent must not listen
// any more.
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

// own returns the rules of this agent in a chain, as arguments of iptables.
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
