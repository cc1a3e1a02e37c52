// Package fence keeps what listens on a bridge's address from everybody but this machine and its containers.
//
// Linux answers for each of its addresses on every interface: a neighbour on any network of this machine that makes itself a route
// reaches what listens on Docker's bridge. A fence is a chain of its own in iptables' filter table, called from INPUT for one address
// and port, that lets pass what comes in by loopback or by a bridge of Docker's and drops the rest. What it lets pass is still
// subject to the machine's other rules. Every rule names its owner in a comment.
//
// What a fence is about is put in one transaction: there is no moment in which it is half there. It outlives this program, and
// is found again by its owner's name. Package fence does not know what listens, nor what Docker is told.
package fence

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net/netip"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// recheck is how long rules that were put, or could not be, are trusted to have stayed so: others restore firewalls, too.
const recheck = 10 * time.Second

// Fence is around one listener. It is safe for concurrent use.
type Fence struct {
	comment, chain string
	// These ask the machine; tests replace them.
	run     func(ctx context.Context, input, program string, args ...string) (string, error)
	bridges func(at netip.Addr) ([]string, error)

	mu      sync.Mutex // guards what follows
	put     []string   // the rules of the last Put
	err     error      // and what became of it
	checked time.Time
}

// longest is how much of an owner's name, its end, is in the comments: iptables takes 255 bytes.
const longest = 240

// odd is what iptables would quote in a comment.
var odd = regexp.MustCompile(`[^\w./:=@+-]`)

// New makes the fence of an owner, such as an instance's id; nothing is put yet. Fences of one owner are the same one.
func New(owner string) *Fence {
	comment := odd.ReplaceAllString(owner, "_")
	comment = comment[max(0, len(comment)-longest):]
	sum := sha256.Sum256([]byte(owner))
	return &Fence{comment: "berth:" + comment, chain: fmt.Sprintf("BERTH-%x", sum[:10]), run: run, bridges: bridges}
}

func run(ctx context.Context, input, program string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Stdin = strings.NewReader(input)
	out, err := cmd.CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return string(out), nil
}

// Put returns nil once where is reached by this machine and its containers only. It is called again and again while something
// listens there: bridges come and go. The address before, if it was another, is not fenced any more. Loopback addresses need
// no fence, since Linux takes nothing for them from outside.
func (f *Fence) Put(ctx context.Context, where netip.AddrPort) error {
	if where.Addr().IsLoopback() {
		return nil
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	names, err := f.bridges(where.Addr())
	if err != nil {
		return err
	}
	want := f.rules(where, names)
	if slices.Equal(want, f.put) && time.Since(f.checked) < recheck {
		return f.err
	}
	f.put, f.checked, f.err = want, time.Now(), f.replace(ctx, want)
	return f.err
}

// rules are the fence's, as iptables tells them; the first is the one that calls the chain.
func (f *Fence) rules(where netip.AddrPort, bridges []string) []string {
	named := "-m comment --comment " + f.comment
	rules := []string{fmt.Sprintf("-A INPUT -d %s/32 -p tcp -m tcp --dport %d %s -j %s", where.Addr(), where.Port(), named, f.chain)}
	for _, name := range append([]string{"lo"}, bridges...) {
		rules = append(rules, fmt.Sprintf("-A %s -i %s %s -j RETURN", f.chain, name, named))
	}
	return append(rules, fmt.Sprintf("-A %s %s -j DROP", f.chain, named))
}

// replace makes the rules that are there those wanted.
func (f *Fence) replace(ctx context.Context, want []string) error {
	calls, body, _, err := f.find(ctx)
	if err != nil || slices.Equal(append(calls, body...), want) {
		return err
	}
	changes := []string{":" + f.chain + " - [0:0]"} // made, or emptied
	changes = append(changes, want[1:]...)
	changes = append(changes, undo(calls)...)
	return f.apply(ctx, append(changes, "-I"+strings.TrimPrefix(want[0], "-A")))
}

// Remove takes the fence away, also one of an earlier life of this program. What it was around must not listen any more.
func (f *Fence) Remove(ctx context.Context) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.put = nil
	calls, _, there, err := f.find(ctx)
	if err != nil || !there {
		return err
	}
	return f.apply(ctx, append(undo(calls), "-F "+f.chain, "-X "+f.chain))
}

// find reads the rules that call the chain and those in it, and whether the chain is there.
func (f *Fence) find(ctx context.Context) (calls, body []string, there bool, err error) {
	out, err := f.run(ctx, "", "iptables", "-w", "10", "-S")
	for line := range strings.Lines(out) {
		line = strings.ReplaceAll(strings.TrimSpace(line), `"`, "")
		switch {
		case line == "-N "+f.chain:
			there = true
		case strings.HasPrefix(line, "-A INPUT ") && strings.HasSuffix(line, " -j "+f.chain):
			calls = append(calls, line)
		case strings.HasPrefix(line, "-A "+f.chain+" "):
			body = append(body, line)
		}
	}
	return calls, body, there, err
}

func undo(rules []string) (deletions []string) {
	for _, r := range rules {
		deletions = append(deletions, "-D"+strings.TrimPrefix(r, "-A"))
	}
	return deletions
}

// apply makes all of the changes or none.
func (f *Fence) apply(ctx context.Context, changes []string) error {
	input := "*filter\n" + strings.Join(changes, "\n") + "\nCOMMIT\n"
	_, err := f.run(ctx, input, "iptables-restore", "--wait=10", "--noflush")
	return err
}
