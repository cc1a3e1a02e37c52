package internal_test

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"
)

// rules say who may import whom, in the manner of Go's own deps_test.go:
//
//	a, b < c, d < e;
//
// Each package to the right of a "<" may import each one to the left of it, and
// what those may import. Packages of one list may not import one another. Words
// in capitals are names for "all of these". A "*" stands for any one element:
// packages that match the same pattern may not import one another. Names are
// relative to internal/, except those that begin with "/".
//
// A package that is not here yet belongs where its contract puts it; when that
// needs a rule turned round, the contract is wrong and not the rule.
const rules = `
# Nouns: what exists. Values and rules.
	fault < tag;
	fault, tag, arn, quote, newid < WORDS
	< ecs, elb, fleet, scaling, identity, repository, loggroup, cache < NOUNS;
	WORDS, identity < role < NOUNS;
	WORDS, scaling < alarm < appscaling < NOUNS;
	WORDS < topic, dashboard < NOUNS;
	fleet, appscaling < groupscaling < NOUNS;

# Brains: what should happen. Pure functions.
	NOUNS < sched/cql < sched;
	NOUNS < rollout, route;
	sched, rollout, route < BRAINS;

# Memory: what is true.
	state/journal < state/journal/bolt < state/journal/file;
	state/journal < state/journal/mem, state/journal/file, state/journal/etcd, state/journal/journaltest < JOURNALS;
	NOUNS, state/journal < state;
	WORDS < meter;
	meter/expr; # metric math
	meter, meter/expr < meter/query;
	NOUNS, meter/query < meter/compare;        # what alarms compare
	meter < meter/gather < meter/feed; # what Berth measures by itself
	WORDS < logstore/filter < logstore;
	NOUNS, state, meter, meter/expr, meter/query, meter/compare, meter/gather, meter/feed, logstore < MEMORY;
	WORDS < audit;
	NOUNS, state < deploy, provider;
	BRAINS, MEMORY, provider < launch;
	launch < why;
	NOUNS, BRAINS, meter/expr, meter/gather, provider, launch, why < PURE; # internal/purity_test.go holds it

# Front desk: how the world asks.
	awswire/schema < awswire/schema/schematest;
	awswire/schema < awswire/reshape;
	awswire/schema < awswire/docwire < awswire/jsonwire, awswire/cborwire;
	awswire/schema < awswire/textwire < awswire/querywire, awswire/xmlwire, awswire/restwire;
	awswire/jsonwire, awswire/cborwire, awswire/querywire, awswire/xmlwire, awswire/restwire < WIRES;
	NOUNS < awswire/sigv4 < awswire/guard;
	awswire/shape < awswire/shape/*;
	NOUNS, WIRES, awswire/shape, awswire/sigv4, awswire/guard, awswire/reshape < awswire;
	awswire, awswire/shape/* < DESK;
	registry/blob, budget, MEMORY < registry;
	image;
	MEMORY, DESK < action/request < action/*;
	BRAINS, MEMORY, DESK, deploy, launch, registry, machine < action/*;

# Hands: controllers. They meet only in state.
	fence; # iptables, for whoever listens where containers come
	userdata, NOUNS < machine;
	machine, fence, config < machine/local; # how an instance comes to be, for whoever starts one
	machine, fence < machine/redis;         # and a cache
	machine/local, agent, agent/runtime/* < machine/dockerhost; # what instances leave in Docker
	MEMORY < control;
	control, BRAINS, deploy, launch, machine, fence < control/*;

# Road: to the machines and back.
	acs, DESK, MEMORY, BRAINS, launch, action/request < dispatch; # it answers the agent's own actions too
	agent/runtime < agent/runtime/*;
	fence < agent/redirect;
	WORDS, acs, agent/runtime, awswire/sigv4 < agent/awscall, agent/checkpoint, agent/redirect
	< agent/engine
	< agent/awslogs, agent/metadata, agent/usage
	< agent;

# Door: traffic.
	edge/h1, NOUNS, route < edge;
	NOUNS, route < edge/link; # to an edge in another process
	edge, edge/link, MEMORY, BRAINS < publish;

# Faces and frame. Only server and sim see everybody.
	NOUNS < config;
	authority; # certificates of this machine
	trust;     # who trusts them
	JOURNALS, MEMORY, registry/blob, config < backup;
	MEMORY, BRAINS, launch, why < status;
	MEMORY < blueprint;
	MEMORY < oplog;
	DESK, status, image < demo;
	action/*, control/*, machine/local, machine/redis, machine/dockerhost, dispatch, agent, agent/runtime/*,
	publish, console,
	JOURNALS, registry, config, status, oplog, image, authority, backup, budget, audit, blueprint < server, sim;
	MEMORY, BRAINS, status < console;
	server, sim, demo, trust, blueprint < cli;
	cli < /cmd/berth;

# Beside the house, in modules of their own: they import nothing of ours.
	/socketio/internal/jsonscan < /socketio/packet, /socketio/internal/msgpack;
	/socketio/internal/link, /socketio/internal/wsframe < /socketio/engineio, /socketio/internal/lean;
	/socketio/packet, /socketio/engineio, /socketio/adapter, /socketio/internal/clientdist,
	/socketio/internal/msgpack < /socketio;
	/socketio, /socketio/internal/lean < /socketio/*;
	/socketio, /socketio/internal/lean, /socketio/internal/testenv < /socketio/internal/conformance,
	/socketio/internal/chattest;
	/socketio, /socketio/internal/msgpack < /socketio/redisadapter;
	/socketio/redisadapter, /socketio/internal/lean, /socketio/internal/testenv < /socketio/redisadapter/internal/bench;
	/socketio, /socketio/redisadapter < /examples/*;
`

// free are the packages that exist for the tests of others, and programs that
// write source: they may import anything.
var free = []string{
	"action/desktest", "agent/runtime/runtimetest", "awscli", "awswire/shapegen", "golden", "/test",
}

func TestDependencies(t *testing.T) {
	g, err := parseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range packages(t) {
		if slices.ContainsFunc(free,
			func(dir string) bool { return p.name == dir || strings.HasPrefix(p.name, dir+"/") }) {
			continue
		}
		if g.node(p.name) == "" {
			t.Errorf("package %s is not in the rules of deps_test.go; put it where it belongs", p.name)
			continue
		}
		for _, imported := range p.ours() {
			if !g.allows(p.name, imported) {
				t.Errorf("package %s may not import %s (rules of deps_test.go)", p.name, imported)
			}
		}
	}
}

// graph is what the rules say: for each name, the names right below it.
type graph map[string][]string

func parseRules(text string) (graph, error) {
	var clean strings.Builder
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		clean.WriteString(line + " ")
	}
	g := graph{}
	for rule := range strings.SplitSeq(strings.TrimSpace(clean.String()), ";") {
		var below []string
		for side := range strings.SplitSeq(rule, "<") {
			var names []string
			for name := range strings.SplitSeq(side, ",") {
				if name = strings.TrimSpace(name); name != "" {
					names = append(names, name)
					g[name] = append(g[name], below...)
				}
			}
			if strings.TrimSpace(rule) != "" && len(names) == 0 {
				return nil, fmt.Errorf("rule %q: nothing on one side", rule)
			}
			below = names
		}
	}
	return g, g.acyclic()
}

// node returns the rules' name for a package: its own, or the pattern it
// matches.
func (g graph) node(pkg string) string {
	if _, ok := g[pkg]; ok {
		return pkg
	}
	for name := range g {
		if ok, _ := path.Match(name, pkg); ok && strings.Contains(name, "*") {
			return name
		}
	}
	return ""
}

// allows tells whether a package may import another.
func (g graph) allows(pkg, imported string) bool {
	return g.below(g.node(pkg))[g.node(imported)]
}

// below returns every name reachable downwards from a name.
func (g graph) below(name string) map[string]bool {
	seen := map[string]bool{}
	var visit func(string)
	visit = func(name string) {
		for _, b := range g[name] {
			if !seen[b] {
				seen[b] = true
				visit(b)
			}
		}
	}
	visit(name)
	return seen
}

func (g graph) acyclic() error {
	for _, name := range slices.Sorted(maps.Keys(g)) {
		if g.below(name)[name] {
			return fmt.Errorf("%s is below itself", name)
		}
	}
	return nil
}

func TestRulesAreRead(t *testing.T) {
	g, err := parseRules("a, b < C; C < c/x < d; # a comment; \n c/x < e/* ;")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		pkg, imported string
		want          bool
	}{
		{"c/x", "a", true}, {"d", "b", true}, {"d", "c/x", true}, {"e/one", "a", true},
		{"a", "b", false}, {"a", "d", false}, {"c/x", "d", false}, {"e/one", "e/two", false},
		{"e/one/deep", "a", false},
	} {
		if got := g.allows(c.pkg, c.imported); got != c.want {
			t.Errorf("%s imports %s: allowed %t, want %t", c.pkg, c.imported, got, c.want)
		}
	}
	if _, err := parseRules("a < b < c; c < a;"); err == nil {
		t.Error("a circle was not noticed")
	}
}
