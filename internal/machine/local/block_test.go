package local

import (
	"errors"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
)

func nobody(string) map[int]bool { return nil }

func claim(t *testing.T, dir string, others func(string) map[int]bool) *Claim {
	t.Helper()
	c, err := ClaimBlock(dir, others)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Release() })
	return c
}

// Servers that start at the same moment have different blocks, and each gets its own again when it restarts.
func TestEachServerHasItsOwnBlock(t *testing.T) {
	dirs, claims := make([]string, 8), make([]*Claim, 8)
	var all sync.WaitGroup
	for i := range dirs {
		dirs[i] = t.TempDir()
		all.Go(func() { claims[i], _ = ClaimBlock(dirs[i], nobody) })
	}
	all.Wait()
	seen := map[int]bool{}
	for i, c := range claims {
		if c == nil || seen[c.Number] {
			t.Fatalf("claim %d is %+v; there are %v", i, c, seen)
		}
		seen[c.Number] = true
	}
	for _, c := range claims {
		c.Release()
	}
	for i := range dirs {
		if again := claim(t, dirs[len(dirs)-1-i], nobody); again.Number != claims[len(dirs)-1-i].Number ||
			again.Server != claims[len(dirs)-1-i].Server {
			t.Errorf("it has block %d, had %d", again.Number, claims[len(dirs)-1-i].Number)
		}
	}
}

// A server that is down may leave things that still use its addresses, so its block is given to another server only if
// no other is free. A server whose block was taken meanwhile takes another and keeps it.
func TestBlocksOfServersThatAreDown(t *testing.T) {
	base := claim(t, t.TempDir(), nobody).Number // other tests may hold blocks
	left := map[int]bool{base + 1: true, base + 2: true}
	var asked string
	c := claim(t, t.TempDir(), func(server string) map[int]bool { asked = server; return left })
	if c.Number == base+1 || c.Number == base+2 || asked != c.Server {
		t.Errorf("block %d was used although another server has left something in it (asked as %q of %q)",
			c.Number, asked, c.Server)
	}
	dir := t.TempDir()
	first := claim(t, dir, nobody)
	first.Release()
	thief, err := net.Listen("unix", "@berth/block/"+strconv.Itoa(first.Number))
	if err != nil {
		t.Fatal(err)
	}
	defer thief.Close()
	second := claim(t, dir, nobody)
	if second.Number == first.Number || second.Server != first.Server {
		t.Errorf("it has %+v while another server has its block, and had %+v", second, first)
	}
	second.Release()
	if third := claim(t, dir, nobody); third.Number != second.Number {
		t.Errorf("it remembers block %d, want %d", third.Number, second.Number)
	}
}

func TestNoBlockIsLeft(t *testing.T) {
	for {
		c, err := ClaimBlock(t.TempDir(), nobody)
		if err != nil {
			if !strings.Contains(err.Error(), "servers run on this machine already") {
				t.Error(err)
			}
			return
		}
		defer c.Release()
		if c.Number >= fleet.Blocks {
			t.Fatalf("block %d", c.Number)
		}
	}
}

// A data directory that was made before there were blocks keeps its addresses. A damaged file is not treated as an
// empty one.
func TestBlockFile(t *testing.T) {
	old := t.TempDir()
	if err := os.Mkdir(filepath.Join(old, "instances"), 0o700); err != nil {
		t.Fatal(err)
	}
	if r, err := config.ReadBlock(old); err != nil || r.Block != 0 {
		t.Errorf("an old directory remembers %+v, %v", r, err)
	}
	if r, err := config.ReadBlock(t.TempDir()); err != nil || r.Block != -1 {
		t.Errorf("a new directory remembers %+v, %v", r, err)
	}
	if err := os.WriteFile(filepath.Join(old, config.BlockFile), []byte(`{"Server":"x","Block":99}`),
		0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := ClaimBlock(old, nobody); err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("a damaged file: %v", err)
	}
}

// addresses is a fleet.AddressSet.
type addresses map[netip.Addr]bool

func (s addresses) Contains(a netip.Addr) bool { return s[a] }

func (s addresses) CountIn(r netip.Prefix) (n int) {
	for a := range s {
		if r.Contains(a) {
			n++
		}
	}
	return n
}

// Without a free address, the fault says so.
func TestNextAddressOfAFullMachine(t *testing.T) {
	taken := addresses{}
	d := New(Config{Block: fleet.Block{Number: 28}})
	for a := netip.MustParseAddr("127.28.1.2"); a.As4()[2] < 64; a = a.Next() {
		taken[a] = true
	}
	a, err := d.NextAddress(taken)
	if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != "InsufficientInstanceCapacity" || a.IsValid() {
		t.Errorf("the next address is %v, %v", a, err)
	}
}

// A process that listens on all addresses, as Amazon's agent does, does not prevent an instance from starting.
func TestNextAddressBesideAmazonsAgent(t *testing.T) {
	block := fleet.Block{Number: 3}
	first := netip.MustParseAddr("127.3.1.2")
	taken := addresses{first: true}
	nowhere := func(netip.Addr) bool { return false }
	if a, ok := nextAddress(block, taken, nowhere); !ok || a != first.Next() {
		t.Errorf("the next address is %v, %v; want %v", a, ok, first.Next())
	}
	butTwo := func(a netip.Addr) bool { return a != first && a != first.Next() }
	if a, ok := nextAddress(block, addresses{}, butTwo); !ok || a != first.Next().Next() {
		t.Errorf("the next address is %v, %v; want %v", a, ok, first.Next().Next())
	}
}

// An address at which an agent of another server listens is skipped.
func TestNextAddressPassesOverAgents(t *testing.T) {
	d := New(Config{Block: fleet.Block{Number: 29}})
	l, err := net.Listen("tcp", "127.29.1.2:51678")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	for _, want := range []string{"127.29.1.3", "127.29.1.4"} {
		taken := addresses{}
		if want == "127.29.1.4" {
			taken[netip.MustParseAddr("127.29.1.3")] = true
		}
		if a, err := d.NextAddress(taken); err != nil || a.String() != want {
			t.Errorf("the next address is %v, %v, want %s", a, err, want)
		}
	}
}
