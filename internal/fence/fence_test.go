package fence

import (
	"context"
	"errors"
	"net/netip"
	"slices"
	"strings"
	"testing"
)

// filter is a filter table in iptables' own notation. It understands what this package passes to iptables-restore.
type filter struct {
	rules    []string
	restores int
	err      error
}

func (f *filter) run(_ context.Context, input, program string, args ...string) (string, error) {
	if f.err != nil {
		return "", f.err
	}
	if program == "iptables" {
		return strings.Join(f.rules, "\n") + "\n", nil
	}
	f.restores++
	for line := range strings.Lines(input) {
		line = strings.TrimSpace(line)
		action, rest, _ := strings.Cut(line, " ")
		switch {
		case strings.HasPrefix(line, ":"):
			f.rules = slices.DeleteFunc(f.rules, func(r string) bool {
				return strings.HasPrefix(r, "-A "+action[1:]+" ") || r == "-N "+action[1:]
			})
			f.rules = append(f.rules, "-N "+action[1:])
		case action == "-A":
			f.rules = append(f.rules, line)
		case action == "-I":
			f.rules = append([]string{"-A " + rest}, f.rules...)
		case action == "-D":
			f.rules = slices.DeleteFunc(f.rules, func(r string) bool { return r == "-A "+rest })
		case action == "-F":
			f.rules = slices.DeleteFunc(f.rules, func(r string) bool { return strings.HasPrefix(r, "-A "+rest+" ") })
		case action == "-X":
			f.rules = slices.DeleteFunc(f.rules, func(r string) bool { return r == "-N "+rest })
		}
	}
	return "", nil
}

func TestFenceComesAndGoes(t *testing.T) {
	other := `-A INPUT -d 172.17.0.1/32 -p tcp -m tcp --dport 6379 -m comment --comment "berth:other" -j ` +
		`BERTH-0123456789abcdef0123`
	table := &filter{rules: []string{other}}
	names := []string{"br-0123456789ab", "docker0"}
	named := func(owner string) *Fence {
		f := New(owner)
		f.run, f.bridges = table.run, func(netip.Addr) ([]string, error) { return names, nil }
		return f
	}
	put := func(f *Fence, where string) {
		t.Helper()
		if err := f.Put(t.Context(), netip.MustParseAddrPort(where)); err != nil {
			t.Fatal(err)
		}
	}
	expect := func(f *Fence, restores int, call, body string) {
		t.Helper()
		const named = " -m comment --comment berth:/var/a_cache"
		var want []string
		if call != "" {
			want = append(want, "-A INPUT "+call+named+" -j "+f.name)
		}
		want = append(want, other)
		if call != "" {
			want = append(want, "-N "+f.name)
		}
		for _, name := range strings.Fields(body) {
			want = append(want, "-A "+f.name+" -i "+name+named+" -j RETURN")
		}
		if call != "" {
			want = append(want, "-A "+f.name+named+" -j DROP")
		}
		if !slices.Equal(table.rules, want) || table.restores != restores {
			t.Errorf("after %d changes, not %d:\n%s\nwant\n%s", table.restores, restores,
				strings.Join(table.rules, "\n"), strings.Join(want, "\n"))
		}
	}
	f := named("/var/a cache")
	put(f, "127.0.0.1:6379")
	expect(f, 0, "", "")
	put(f, "172.17.0.1:6379")
	put(f, "172.17.0.1:6379")
	expect(f, 1, "-d 172.17.0.1/32 -p tcp -m tcp --dport 6379", "lo br-0123456789ab docker0")

	// A network comes; then this program is killed, and the address is another at the next start.
	names = []string{"br-0123456789ab", "br-0123456789cd", "docker0"}
	put(f, "172.17.0.1:6379")
	expect(f, 2, "-d 172.17.0.1/32 -p tcp -m tcp --dport 6379", "lo br-0123456789ab br-0123456789cd docker0")
	f = named("/var/a cache")
	put(f, "172.17.0.1:6379")
	expect(f, 2, "-d 172.17.0.1/32 -p tcp -m tcp --dport 6379", "lo br-0123456789ab br-0123456789cd docker0")
	put(f, "172.18.0.1:6380")
	expect(f, 3, "-d 172.18.0.1/32 -p tcp -m tcp --dport 6380", "lo br-0123456789ab br-0123456789cd docker0")

	for range 2 {
		if err := named("/var/a cache").Remove(t.Context()); err != nil {
			t.Fatal(err)
		}
		expect(f, 4, "", "")
	}
}

// Without root or iptables there is no fence, and Put says so each time.
func TestNoFence(t *testing.T) {
	table := &filter{err: errors.New("Permission denied (you must be root)")}
	f := New("i-1")
	f.run, f.bridges = table.run, func(netip.Addr) ([]string, error) { return nil, nil }
	for range 2 {
		if err := f.Put(t.Context(), netip.MustParseAddrPort("172.17.0.1:6379")); !errors.Is(err, table.err) {
			t.Error(err)
		}
	}
}

func TestLongOwner(t *testing.T) {
	f := New("/" + strings.Repeat("long/", 100) + "end")
	if len(f.comment) > 255 || !strings.HasSuffix(f.comment, "long/end") || len(f.name) > 28 {
		t.Errorf("%q of %d bytes, %q of %d", f.comment, len(f.comment), f.name, len(f.name))
	}
}
