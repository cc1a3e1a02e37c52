package route

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
)

// Over all values of random, requests are divided exactly in proportion to the weights (alb.md A2). A group
// of weight 0 gets none.
func TestWeightsAreProportions(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		weights := rapid.SliceOfN(rapid.IntRange(0, 999), 1, 5).Draw(t, "weights")
		f := &elb.Forward{}
		sum := 0
		for i, weight := range weights {
			arn := fmt.Sprint("g", i)
			w.group(arn, nil)
			f.TargetGroups = append(f.TargetGroups, elb.WeightedGroup{ARN: arn, Weight: weight})
			sum += weight
		}
		w.rule("web", 80, 1, nil, elb.Action{Type: elb.ActionForward, Forward: f})
		forward := compile(w.Config).Table().Listener(80, "").Match(&Request{}).Forward
		got := make([]int, len(weights))
		for i := range sum {
			g := forward.Choose(uint64(i))
			got[slices.IndexFunc(f.TargetGroups, func(x elb.WeightedGroup) bool { return x.ARN == g.GroupARN })]++
		}
		if !slices.Equal(got, weights) {
			t.Fatalf("got %v of weights %v", got, weights)
		}
		if sum == 0 && forward.Choose(0) != nil {
			t.Fatal("a group was chosen although there is none")
		}
	})
}

// The order in which values are listed does not matter.
func TestOrderHasNoMeaning(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		w := newWorld()
		for i, s := range rapid.SliceOfN(rapid.SampledFrom([]string{"", elb.Healthy, elb.Unhealthy}), 0,
			6).Draw(t, "states") {
			w.target("tg", netip.AddrFrom4([4]byte{10, 0, 0, byte(i)}).String(), s)
		}
		for i := range rapid.IntRange(0, 5).Draw(t, "rules") {
			w.rule("web", 80, i+1, when(elb.FieldPath, fmt.Sprint("/", i)), forward("tg"))
		}
		want := compile(w.Config).String()
		r := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 0))
		shuffle(r, w.Rules)
		shuffle(r, w.Targets)
		shuffle(r, w.Health)
		if got := compile(w.Config).String(); got != want {
			t.Fatalf("got\n%s\nwant\n%s", got, want)
		}
	})
}

func shuffle[T any](r *rand.Rand, s []T) {
	r.Shuffle(len(s), func(i, j int) { s[i], s[j] = s[j], s[i] })
}

// slowMatch matches a pattern in the simplest possible way.
func slowMatch(pattern, s string) bool {
	switch {
	case pattern == "":
		return s == ""
	case pattern[0] == '*':
		return slowMatch(pattern[1:], s) || s != "" && slowMatch(pattern, s[1:])
	case s == "":
		return false
	case pattern[0] == '?' || pattern[0] == s[0]:
		return slowMatch(pattern[1:], s[1:])
	}
	return false
}

func FuzzPattern(f *testing.F) {
	f.Add("/img/*/pics", "/img/a/b/pics")
	f.Add(`\*?`, "*x")
	f.Fuzz(func(t *testing.T, p, s string) {
		if len(p) > 128 || len(s) > 1<<12 {
			return
		}
		compilePattern(p, true, true).matches(s)
		if c := compilePattern(p, false, false); !strings.ContainsAny(p, "*?") && c.matches(s) != (p == s) {
			t.Errorf("literal %q against %q", p, s)
		}
	})
}

func FuzzMatch(f *testing.F) {
	f.Add("GET", "h.example:80", "/a", "x=1&y", "X-A", "1")
	w := newWorld()
	w.rule("web", 80, 1, []elb.Condition{
		{Field: elb.FieldHost, Values: []string{"*.example"}}, {Field: elb.FieldPath, Values: []string{"/a*"}},
		{Field: elb.FieldHeader, HeaderName: "X-A", Values: []string{"?"}},
		{Field: elb.FieldQueryString, QueryStrings: []elb.KeyValue{{Value: "*"}}}}, forward("tg"))
	table := compile(w.Config).Table()
	f.Fuzz(func(t *testing.T, method, host, path, query, name, value string) {
		r := &Request{Method: method, Host: host, Path: path, Query: query, Header: []Field{{name, value}}}
		if table.Listener(80, host).Match(r) == nil {
			t.Error("not even the default rule matched")
		}
	})
}

// big returns a table with the given numbers of rules and targets, and a request that matches the last rule.
func big(rules, targets int) (*Compiler, Request) {
	w := newWorld()
	for i := range rules {
		w.rule("web", 80, i+1, when(elb.FieldPath, fmt.Sprintf("/service-%d/*", i)), forward("tg"))
	}
	for i := range targets {
		w.target("tg", netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String(), elb.Healthy)
	}
	return compile(w.Config), Request{Method: "GET", Host: "web.localhost", Path: fmt.Sprintf("/service-%d/x", rules-1)}
}

func BenchmarkMatch(b *testing.B) {
	for _, n := range []int{1, 10, 100} {
		b.Run(fmt.Sprint(n, "rules"), func(b *testing.B) {
			c, req := big(n, 10)
			table, group := c.Table(), c.Group("tg")
			b.ReportAllocs()
			for b.Loop() {
				table.Listener(80, req.Host).Match(&req).Forward.Choose(7)
				group.Choose(Pick{Turn: 3})
			}
		})
	}
}

func BenchmarkCompile(b *testing.B) {
	w := newWorld()
	for i := range 1000 {
		w.target("tg", netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)}).String(), elb.Healthy)
	}
	for b.Loop() {
		compile(w.Config)
	}
}
