package fence

import (
	"context"
	"crypto/sha256"
	"fmt"
	"os/exec"
	"regexp"
	"slices"
	"strings"
	"sync"
	"time"
)

// recheck is how often rules are compared with those of the machine, since other programs may restore
// firewalls.
const recheck = 10 * time.Second

// chain is an owner's chain in the filter table of iptables or ip6tables, with the rules that jump to it.
type chain struct {
	comment, name string
	program       string // iptables or ip6tables
	// run runs a program; tests replace it.
	run func(ctx context.Context, input, program string, args ...string) (string, error)

	mu      sync.Mutex // guards what follows
	put     rules      // the argument of the last keep
	err     error      // the result of the last keep
	checked time.Time
}

// rules are the rules in a chain, and the rules of other chains that jump to it, in the format of
// iptables-save.
type rules struct{ calls, body []string }

func (r rules) equal(o rules) bool {
	return slices.Equal(r.calls, o.calls) && slices.Equal(r.body, o.body)
}

// longest is how many bytes of an owner's name, its end, are in comments. iptables allows 255 bytes for a
// comment.
const longest = 240

// odd matches what iptables would quote in a comment.
var odd = regexp.MustCompile(`[^\w./:=@+-]`)

// newChain returns an owner's chain for a purpose.
func newChain(purpose, owner string) *chain {
	comment := odd.ReplaceAllString(owner, "_")
	comment = comment[max(0, len(comment)-longest):]
	sum := sha256.Sum256([]byte(purpose + owner))
	return &chain{
		comment: "berth:" + comment, name: fmt.Sprintf("BERTH-%x", sum[:10]), program: "iptables", run: run,
	}
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

func (c *chain) named() string { return "-m comment --comment " + c.comment }

// rule returns a rule of the chain for packets that match; "" matches all.
func (c *chain) rule(match, target string) string {
	if match != "" {
		match += " "
	}
	return "-A " + c.name + " " + match + c.named() + " -j " + target
}

// fresh reports whether keep has had the same argument a short time ago.
func (c *chain) fresh(want rules) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return want.equal(c.put) && time.Since(c.checked) < recheck
}

func (c *chain) lastError() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.err
}

// keep makes the machine's rules those wanted. It reads them when want has changed, and after recheck.
func (c *chain) keep(ctx context.Context, want rules) error {
	if c.fresh(want) {
		return c.lastError()
	}
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put, c.checked, c.err = want, time.Now(), c.replace(ctx, want)
	return c.err
}

func (c *chain) replace(ctx context.Context, want rules) error {
	found, _, err := c.find(ctx)
	if err != nil || found.equal(want) {
		return err
	}
	changes := []string{":" + c.name + " - [0:0]"} // created, or emptied
	changes = append(changes, want.body...)
	changes = append(changes, undo(found.calls)...)
	for _, call := range slices.Backward(want.calls) {
		changes = append(changes, "-I"+strings.TrimPrefix(call, "-A"))
	}
	return c.apply(ctx, changes)
}

// Remove removes the rules, including those of an earlier process. What they protected must not exist any more.
func (c *chain) Remove(ctx context.Context) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.put = rules{}
	found, there, err := c.find(ctx)
	if err != nil || !there {
		return err
	}
	return c.apply(ctx, append(undo(found.calls), "-F "+c.name, "-X "+c.name))
}

// find reads the rules, and whether the chain exists.
func (c *chain) find(ctx context.Context) (found rules, there bool, err error) {
	out, err := c.list(ctx)
	for _, line := range out {
		switch {
		case line == "-N "+c.name:
			there = true
		case strings.HasPrefix(line, "-A "+c.name+" "):
			found.body = append(found.body, line)
		case strings.HasPrefix(line, "-A ") && strings.HasSuffix(line, " -j "+c.name):
			found.calls = append(found.calls, line)
		}
	}
	// Calls from several chains come in the order of iptables' chains.
	slices.SortStableFunc(found.calls,
		func(a, b string) int { return strings.Compare(strings.Fields(a)[1], strings.Fields(b)[1]) })
	return found, there, err
}

// list reads the filter table.
func (c *chain) list(ctx context.Context) (lines []string, err error) {
	out, err := c.run(ctx, "", c.program, "-w", "10", "-S")
	for line := range strings.Lines(out) {
		lines = append(lines, strings.ReplaceAll(strings.TrimSpace(line), `"`, ""))
	}
	return lines, err
}

func undo(rules []string) (deletions []string) {
	for _, r := range rules {
		deletions = append(deletions, "-D"+strings.TrimPrefix(r, "-A"))
	}
	return deletions
}

// apply makes all changes or none.
func (c *chain) apply(ctx context.Context, changes []string) error {
	input := "*filter\n" + strings.Join(changes, "\n") + "\nCOMMIT\n"
	_, err := c.run(ctx, input, c.program+"-restore", "--wait=10", "--noflush")
	return err
}
