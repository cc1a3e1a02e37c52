// Package fence protects what listens on a bridge's address, and what containers on a bridge listen on, from
// everybody except this machine and its containers. It also keeps containers from the metadata service of the
// machine's cloud.
//
// Linux answers for each of its addresses on every interface: a neighbour on any network of this machine can
// add a route and reach what listens on Docker's bridge. A fence is a chain in iptables' filter table. INPUT
// jumps to it for one address and port; it accepts what arrives by loopback or by a bridge of Docker's, and
// drops the rest. What passes is still subject to the machine's other rules. Every rule names its owner in a
// comment.
//
// The rules of a fence are put in one transaction, so a fence is never half there. It stays when this process
// ends, and is found again by its owner's name. The package does not know what listens behind a fence.
package fence

import (
	"context"
	"fmt"
	"net/netip"
)

// Fence protects one listener. It is safe for concurrent use.
type Fence struct {
	*chain
	bridges func(at netip.Addr) ([]string, error) // reads the machine's bridges; tests replace it
}

// New returns the fence of an owner, such as an instance's id, without putting any rule. Fences of one owner
// are the same fence.
func New(owner string) *Fence { return &Fence{newChain("", owner), bridges} }

// Put returns nil once only this machine and its containers reach where. Call it again and again while
// something listens there, since bridges come and go. An address that was put before is not fenced any more.
// Loopback addresses need no fence: Linux accepts no packets for them from outside.
func (f *Fence) Put(ctx context.Context, where netip.AddrPort) error {
	if where.Addr().IsLoopback() {
		return nil
	}
	return f.around(ctx, where.Addr(), fmt.Sprintf("-d %s/32 -p tcp -m tcp --dport %d", where.Addr(), where.Port()))
}

// PutRange is Put for all addresses of a range that belongs to this machine and to no bridge.
func (f *Fence) PutRange(ctx context.Context, where netip.Prefix) error {
	return f.around(ctx, where.Addr(), "-d "+where.Masked().String())
}

// around puts the rules for packets that match.
func (f *Fence) around(ctx context.Context, at netip.Addr, match string) error {
	names, err := f.bridges(at)
	if err != nil {
		return err
	}
	return f.keep(ctx, f.rules(match, names))
}

// rules returns the rules of the fence in the format of iptables-save; the first jumps to the chain.
func (f *Fence) rules(match string, bridges []string) rules {
	r := rules{calls: []string{fmt.Sprintf("-A INPUT %s %s -j %s", match, f.named(), f.name)}}
	for _, name := range append([]string{"lo"}, bridges...) {
		r.body = append(r.body, f.rule("-i "+name, "RETURN"))
	}
	r.body = append(r.body, f.rule("", "DROP"))
	return r
}
