// Package redirect leads what containers send to 169.254.170.2, port 80, to the
// agent, by rules in iptables' nat table, and keeps everybody else from where the
// agent listens, by a fence.
//
// Every rule carries the name of its agent in a comment. The rules of one agent
// never touch another's, they are put again at every start (those of a life that
// ended by kill -9 are removed first), and [Rules.Clear] takes them away. A Rules
// is safe for concurrent use.
package redirect

import (
	"context"
	"errors"
	"fmt"
	"net/netip"
	"os/exec"
	"slices"
	"strings"
	"sync"

	"github.com/berthhq/berth/internal/fence"
)

// Address is where containers find their agent.
const Address = "169.254.170.2/32"

// Rules are the redirections of one agent.
type Rules struct {
	comment string
	fence   barrier
	// run calls iptables with arguments; a test replaces it.
	run func(ctx context.Context, args ...string) (string, error)

	mu     sync.Mutex // guards what follows
	target netip.AddrPort
	tasks  map[string]netip.Addr // by ARN
}

// barrier is a [fence.Fence].
type barrier interface {
	Put(ctx context.Context, where netip.AddrPort) error
	Remove(ctx context.Context) error
}

// New makes the rules of the agent called instance; none is put yet.
func New(instance string) *Rules {
	return &Rules{comment: "berth:" + instance, fence: fence.New(instance), run: iptables, tasks: map[string]netip.Addr{}}
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
	r.target = target
	errs := []error{
		r.put(ctx, "-I", "PREROUTING", "-i", bridge),
		r.put(ctx, "-A", "OUTPUT"),
	}
	for address := range r.addressesLocked() {
		errs = append(errs, r.put(ctx, "-I", "PREROUTING", "-s", address.String()+"/32"))
	}
	return errors.Join(errs...)
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
		rules, err := r.run(ctx, "-S", chain)
		if err != nil {
			return err
		}
		for rule := range strings.Lines(rules) {
			args := strings.Fields(rule)
			if len(args) < 2 || args[0] != "-A" || !slices.Contains(args, r.comment) && !slices.Contains(args, `"`+r.comment+`"`) {
				continue
			}
			for i := range args {
				args[i] = strings.Trim(args[i], `"`)
			}
			args[0] = "-D"
			if _, err := r.run(ctx, args...); err != nil {
				return err
			}
		}
	}
	return nil
}
