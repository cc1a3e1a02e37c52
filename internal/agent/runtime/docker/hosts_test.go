package docker

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

const plainHosts = "127.0.0.1\tlocalhost\n10.0.0.9\tmine\n172.18.0.2\t0123456789ab\n"

func TestRewriteHosts(t *testing.T) {
	const made = "198.18.0.1\tweb.elb\n172.17.0.1\tcache\n"
	for name, c := range map[string]struct {
		text       string
		made, want []string
		out        string
	}{
		"nothing to do": {plainHosts + made, []string{"web.elb:198.18.0.1", "cache:172.17.0.1"},
			[]string{"web.elb:198.18.0.1", "cache:172.17.0.1"}, plainHosts + made},
		"a late name": {plainHosts, nil, []string{"api.elb:198.18.0.2"},
			plainHosts + hostsBegin + "\n198.18.0.2\tapi.elb\n" + hostsEnd + "\n"},
		"a name goes": {plainHosts + made, []string{"web.elb:198.18.0.1", "cache:172.17.0.1"},
			[]string{"cache:172.17.0.1"}, plainHosts + "172.17.0.1\tcache\n"},
		"a name moves": {plainHosts + "198.18.0.1\tweb.elb\n", []string{"web.elb:198.18.0.1"},
			[]string{"web.elb:198.18.3.1"}, plainHosts + hostsBegin + "\n198.18.3.1\tweb.elb\n" + hostsEnd + "\n"},
		"an empty file":  {"", nil, []string{"a:1.2.3.4"}, hostsBegin + "\n1.2.3.4\ta\n" + hostsEnd + "\n"},
		"the user's own": {"10.0.0.9\tweb.elb\n", nil, nil, "10.0.0.9\tweb.elb\n"},
		"it was removed": {
			"", []string{"a:1.2.3.4"}, []string{"a:1.2.3.4"}, hostsBegin + "\n1.2.3.4\ta\n" + hostsEnd + "\n",
		},
	} {
		if out := rewriteHosts(c.text, c.made, c.want); out != c.out {
			t.Errorf("%s:\n%s\nwant\n%s", name, out, c.out)
		}
	}
}

// After any sequence of changes, the file has each wanted line once and the lines of others, and nothing
// else.
func TestRewriteHostsInAnyOrder(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		entry := rapid.Custom(func(t *rapid.T) string {
			return rapid.SampledFrom([]string{"a", "b", "c"}).Draw(t, "name") + ":198.18.0." +
				rapid.SampledFrom([]string{"1", "2"}).Draw(t, "host")
		})
		list := rapid.SliceOfNDistinct(entry, 0, 3, func(e string) string { return e[:1] })
		made := list.Draw(t, "made")
		text := plainHosts
		for _, m := range made {
			name, address, _ := strings.Cut(m, ":")
			text += address + "\t" + name + "\n"
		}
		for range rapid.IntRange(1, 4).Draw(t, "calls") {
			want := list.Draw(t, "want")
			text = rewriteHosts(text, made, want)
			found := 0
			for line := range strings.Lines(text) {
				if e := asEntry(line); len(e) > 2 && e[1] == ':' && strings.Contains(e, "198.18.") {
					found++
				}
			}
			for _, w := range want {
				if !hasEntry(text, w) {
					t.Fatalf("%q is not in\n%s", w, text)
				}
			}
			if found != len(want) || !strings.HasPrefix(text, plainHosts) || rewriteHosts(text, made, want) != text {
				t.Fatalf("want %q:\n%s", want, text)
			}
		}
	})
}
