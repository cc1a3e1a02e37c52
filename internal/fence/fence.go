// Package fence keeps what listens on a bridge's address, and what containers on a bridge listen on, from everybody but this
// machine and its containers. It also keeps containers from the metadata service of the machine's cloud.
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
	"fmt"
	"net/netip"
)

// Fence is around one listener. It is safe for concurrent use.
type Fence struct {
	*chain
	bridges func(at netip.Addr) ([]string, error) // asks the machine; tests replace it
}

// New makes the fence of an owner, such as an instance's id; nothing is put yet. Fences of one owner are the same one.
func New(owner string) *Fence { return &Fence{newChain("", owner), bridges} }

// Put returns nil once where is reached by this machine and its containers only. It is called again and again while something
// listens there: bridges come and go. The address before, if it was another, is not fenced any more. Loopback addresses need
// no fence, since Linux takes nothing for them from outside.
func (f *Fence) Put(ctx context.Context, where netip.AddrPort) error {
	if where.Addr().IsLoopback() {
		return nil
	}
	return f.around(ctx, where.Addr(), fmt.Sprintf("-d %s/32 -p tcp -m tcp --dport %d", where.Addr(), where.Port()))
}

// PutRange is Put for everything that listens at an address of a range, which is this machine's and no bridge's.
func (f *Fence) PutRange(ctx context.Context, where netip.Prefix) error {
	return f.around(ctx, where.Addr(), "-d "+where.Masked().String())
}

// around makes sure of the fence around what matches.
func (f *Fence) around(ctx context.Context, at netip.Addr, match string) error {
	names, err := f.bridges(at)
	if err != nil {
		return err
	}
	return f.keep(ctx, f.rules(match, names))
}

// rules are the fence's, as iptables tells them; the first is the one that calls the chain.
func (f *Fence) rules(match string, bridges []string) rules {
	r := rules{calls: []string{fmt.Sprintf("-A INPUT %s %s -j %s", match, f.named(), f.name)}}
	for _, name := range append([]string{"lo"}, bridges...) {
		r.body = append(r.body, f.rule("-i "+name, "RETURN"))
	}
	r.body = append(r.body, f.rule("", "DROP"))
	return r
}
