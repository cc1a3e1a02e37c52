package route

import (
	"cmp"
	"fmt"
	"maps"
	"net/netip"
	"reflect"
	"slices"

	"github.com/berthhq/berth/internal/elb"
)

// Compiler keeps a configuration and what was compiled from it. The cost of Compile grows with what
// has changed since the last call: a new judgement of a target costs its target group, a rule costs
// its listener. Only the index of ports and names is rebuilt for all load balancers when a listener
// or a rule changes. A Compiler must not be used concurrently; what it returns may be.
type Compiler struct {
	revision  uint64
	balancers map[string]*elb.LoadBalancer
	addresses map[string]netip.Addr
	listeners map[string]*listenerPart
	rules     map[string]*rulePart
	groups    map[string]*groupPart
	uses      map[string]map[string]*Use // by load balancer and target group
	table     *Table

	dirtyListeners map[string]bool
	dirtyGroups    map[string]bool
	reindex        bool
	changes        Changes
}

// Changes is what Compile has changed. The fields Kept of its values belong to the caller, who
// sets them before anybody else sees the values. A later value of the same target, listener or use
// starts with the same Kept.
type Changes struct {
	// Table is nil when no listener and no rule has changed.
	Table  *Table
	Groups []*Group
	// Targets are those of Groups that were registered, were deregistered, or have new probe
	// settings; and all targets of a group that has come into use.
	Targets []*Target
	// Retired are the keys of targets whose group is no longer used by any rule.
	Retired []string
	// Gone names what no longer exists.
	Gone      Gone
	Listeners []*Listener
	Uses      []*Use
	// Problems says what of the configuration was left out, and why.
	Problems []string
}

// listenerPart is a listener with its rules. Either may arrive first.
type listenerPart struct {
	row      *elb.Listener
	rules    map[string]*rulePart
	compiled *Listener
}

type rulePart struct {
	row        *elb.Rule
	conditions []condition
	err        error
}

// groupPart is a target group with its targets and the rules that forward to it.
type groupPart struct {
	row      *elb.TargetGroup
	targets  []*Target           // in the order of their keys
	rules    map[string]bool     // ARNs
	touched  map[string]struct{} // keys of targets to list in Changes
	probes   bool                // the probe settings of all targets changed
	problems map[string]string   // by key of a target that was left out
	compiled *Group              // nil when no rule forwards to it
}

// NewCompiler returns a compiler with an empty configuration.
func NewCompiler() *Compiler {
	return &Compiler{balancers: map[string]*elb.LoadBalancer{}, addresses: map[string]netip.Addr{},
		listeners: map[string]*listenerPart{}, rules: map[string]*rulePart{}, groups: map[string]*groupPart{},
		uses: map[string]map[string]*Use{}, table: newTable(nil, nil),
		dirtyListeners: map[string]bool{}, dirtyGroups: map[string]bool{}}
}

// Revision returns the revision of the configuration.
func (c *Compiler) Revision() uint64 { return c.revision }

// Table returns the table that was compiled last.
func (c *Compiler) Table() *Table { return c.table }

// Group returns the target group as it was compiled last; nil when no rule forwards to it.
func (c *Compiler) Group(arn string) *Group {
	if g := c.groups[arn]; g != nil {
		return g.compiled
	}
	return nil
}

// Apply takes in a configuration. It returns ErrGap and changes nothing when cfg changes another
// revision than the current one.
func (c *Compiler) Apply(cfg Config) error {
	gone := cfg.Gone
	if cfg.Since == 0 {
		gone = c.missing(&cfg)
	} else if cfg.Since != c.revision {
		return ErrGap
	}
	c.revision = cfg.Revision
	c.drop(gone)
	// Rows are copied, because the lists belong to the caller.
	for _, lb := range cfg.LoadBalancers {
		c.putLoadBalancer(&lb, cfg.Addresses[lb.ARN])
	}
	for _, l := range cfg.Listeners {
		c.putListener(&l)
	}
	for _, g := range cfg.TargetGroups {
		c.putGroup(&g)
	}
	for _, r := range cfg.Rules {
		c.putRule(&r)
	}
	health := make(map[string]*elb.Verdict, len(cfg.Health))
	for i := range cfg.Health {
		health[cfg.Health[i].Key] = &cfg.Health[i]
	}
	for i := range cfg.Targets {
		c.putTarget(&cfg.Targets[i], health[cfg.Targets[i].Key()])
	}
	return nil
}

// missing names what exists here and is not in a configuration of everything.
func (c *Compiler) missing(cfg *Config) Gone {
	targets := keySet(cfg.Targets, (*elb.Target).Key)
	g := Gone{
		LoadBalancers: absent(c.balancers,
			keySet(cfg.LoadBalancers, func(l *elb.LoadBalancer) string { return l.ARN })),
		Rules:        absent(c.rules, keySet(cfg.Rules, func(r *elb.Rule) string { return r.ARN })),
		Listeners:    absent(c.listeners, keySet(cfg.Listeners, func(l *elb.Listener) string { return l.ARN })),
		TargetGroups: absent(c.groups, keySet(cfg.TargetGroups, func(g *elb.TargetGroup) string { return g.ARN })),
	}
	for _, group := range c.groups {
		for _, t := range group.targets {
			if !targets[t.Key] {
				g.Targets = append(g.Targets, t.Key)
			}
		}
	}
	return g
}

func keySet[T any](rows []T, key func(*T) string) map[string]bool {
	out := make(map[string]bool, len(rows))
	for i := range rows {
		out[key(&rows[i])] = true
	}
	return out
}

func absent[T any](have map[string]T, want map[string]bool) []string {
	var out []string
	for key := range have {
		if !want[key] {
			out = append(out, key)
		}
	}
	return out
}

func (c *Compiler) drop(gone Gone) {
	for _, key := range gone.Targets {
		c.dropTarget(key)
	}
	for _, arn := range gone.Rules {
		c.dropRule(arn)
	}
	for _, arn := range gone.Listeners {
		if l := c.listeners[arn]; l != nil && l.row != nil {
			l.row = nil
			c.dirtyListeners[arn] = true
			c.changes.Gone.Listeners = append(c.changes.Gone.Listeners, arn)
		}
	}
	for _, arn := range gone.LoadBalancers {
		if c.balancers[arn] != nil {
			c.markListenersOf(arn)
			delete(c.balancers, arn)
			delete(c.addresses, arn)
			delete(c.uses, arn)
			c.changes.Gone.LoadBalancers = append(c.changes.Gone.LoadBalancers, arn)
		}
	}
	for _, arn := range gone.TargetGroups {
		if g := c.groups[arn]; g != nil && g.row != nil {
			g.row = nil
			c.markUsersOf(arn)
			for _, uses := range c.uses {
				delete(uses, arn)
			}
			c.changes.Gone.TargetGroups = append(c.changes.Gone.TargetGroups, arn)
		}
	}
}

func (c *Compiler) putLoadBalancer(lb *elb.LoadBalancer, address netip.Addr) {
	if old := c.balancers[lb.ARN]; old != nil && c.addresses[lb.ARN] == address && reflect.DeepEqual(old, lb) {
		return
	}
	c.balancers[lb.ARN], c.addresses[lb.ARN] = lb, address
	c.markListenersOf(lb.ARN)
}

func (c *Compiler) markListenersOf(loadBalancerARN string) {
	for arn, l := range c.listeners {
		if l.row != nil && l.row.LoadBalancerARN == loadBalancerARN {
			c.dirtyListeners[arn] = true
		}
	}
}

func (c *Compiler) listener(arn string) *listenerPart {
	l := c.listeners[arn]
	if l == nil {
		l = &listenerPart{rules: map[string]*rulePart{}}
		c.listeners[arn] = l
	}
	return l
}

func (c *Compiler) putListener(row *elb.Listener) {
	if l := c.listener(row.ARN); l.row == nil || !reflect.DeepEqual(l.row, row) {
		l.row = row
		c.dirtyListeners[row.ARN] = true
	}
}

func (c *Compiler) putRule(row *elb.Rule) {
	if old := c.rules[row.ARN]; old != nil {
		if reflect.DeepEqual(old.row, row) {
			return
		}
		c.dropRule(row.ARN)
	}
	r := &rulePart{row: row}
	r.conditions, r.err = compileConditions(row.Conditions)
	c.rules[row.ARN] = r
	c.listener(row.ListenerARN).rules[row.ARN] = r
	c.dirtyListeners[row.ListenerARN] = true
	for _, arn := range elb.Uses(row.Actions) {
		g := c.group(arn)
		if len(g.rules) == 0 {
			c.dirtyGroups[arn] = true
		}
		g.rules[row.ARN] = true
	}
}

func (c *Compiler) dropRule(arn string) {
	r := c.rules[arn]
	if r == nil {
		return
	}
	delete(c.rules, arn)
	delete(c.listener(r.row.ListenerARN).rules, arn)
	c.dirtyListeners[r.row.ListenerARN] = true
	for _, group := range elb.Uses(r.row.Actions) {
		g := c.group(group)
		if delete(g.rules, arn); len(g.rules) == 0 {
			c.dirtyGroups[group] = true
		}
	}
}

func (c *Compiler) group(arn string) *groupPart {
	g := c.groups[arn]
	if g == nil {
		g = &groupPart{rules: map[string]bool{}, touched: map[string]struct{}{}, problems: map[string]string{}}
		c.groups[arn] = g
	}
	return g
}

func (c *Compiler) putGroup(row *elb.TargetGroup) {
	g := c.group(row.ARN)
	if g.row != nil && reflect.DeepEqual(g.row, row) {
		return
	}
	if g.row == nil {
		c.markUsersOf(row.ARN)
	}
	g.row, g.probes = row, true
	c.dirtyGroups[row.ARN] = true
}

// markUsersOf marks the listeners whose rules forward to a group that was added or removed.
func (c *Compiler) markUsersOf(group string) {
	c.dirtyGroups[group] = true
	for arn := range c.groups[group].rules {
		c.dirtyListeners[c.rules[arn].row.ListenerARN] = true
	}
}

func (c *Compiler) putTarget(row *elb.Target, known *elb.Verdict) {
	g := c.group(row.TargetGroupARN)
	t, err := compileTarget(row)
	if err != nil {
		c.dropTarget(row.Key())
		g.problems[row.Key()] = err.Error()
		c.changes.Problems = append(c.changes.Problems, err.Error())
		return
	}
	delete(g.problems, t.Key)
	i, there := find(g.targets, t.Key)
	switch {
	case there && g.targets[i].Registered.Equal(t.Registered):
		t.judge(g.targets[i].State, g.targets[i].SlowStart)
	case known != nil && known.Registered.Equal(t.Registered) && known.State != "":
		t.judge(known.State, known.SlowStart)
	}
	if there {
		t.Kept = g.targets[i].Kept
		if *t == *g.targets[i] {
			return
		}
		g.targets[i] = t
	} else {
		g.targets = slices.Insert(g.targets, i, t)
	}
	g.touched[t.Key] = struct{}{}
	c.dirtyGroups[row.TargetGroupARN] = true
}

func (c *Compiler) dropTarget(key string) {
	arn := elb.GroupOfTargetKey(key)
	g := c.groups[arn]
	if g == nil {
		return
	}
	delete(g.problems, key)
	if i, ok := find(g.targets, key); ok {
		g.targets = slices.Delete(g.targets, i, i+1)
		delete(g.touched, key)
		c.dirtyGroups[arn] = true
		c.changes.Gone.Targets = append(c.changes.Gone.Targets, key)
	}
}

// Judge applies the verdict of the edge on a target.
func (c *Compiler) Judge(h elb.Verdict) {
	arn := elb.GroupOfTargetKey(h.Key)
	g := c.groups[arn]
	if g == nil {
		return
	}
	i, ok := find(g.targets, h.Key)
	if !ok || !g.targets[i].Registered.Equal(h.Registered) {
		return // it is about an earlier registration
	}
	if old := g.targets[i]; old.State != h.State || !old.SlowStart.Equal(h.SlowStart) {
		t := *old
		t.judge(h.State, h.SlowStart)
		g.targets[i] = &t
		c.dirtyGroups[arn] = true
	}
}

// Compile compiles what has changed since the last call.
func (c *Compiler) Compile() Changes {
	for _, arn := range slices.Sorted(maps.Keys(c.dirtyGroups)) {
		c.compileGroup(arn, c.groups[arn])
	}
	for _, arn := range slices.Sorted(maps.Keys(c.dirtyListeners)) {
		c.compileListener(arn, c.listeners[arn])
	}
	if c.reindex {
		c.table = newTable(c.inOrder(), c.addresses)
		c.changes.Table = c.table
		c.changes.Problems = append(c.changes.Problems, c.table.Problems...)
	}
	out := c.changes
	clear(c.dirtyGroups)
	clear(c.dirtyListeners)
	c.reindex, c.changes = false, Changes{}
	return out
}

// compileGroup compiles a group to which a rule forwards. Other groups receive nothing and are not
// probed (alb.md H8).
func (c *Compiler) compileGroup(arn string, g *groupPart) {
	switch used := g.row != nil && len(g.rules) > 0; {
	case used:
		if g.probes || g.compiled == nil {
			c.changes.Targets = append(c.changes.Targets, g.targets...)
		} else {
			for _, key := range slices.Sorted(maps.Keys(g.touched)) {
				i, _ := find(g.targets, key)
				c.changes.Targets = append(c.changes.Targets, g.targets[i])
			}
		}
		g.compiled = compileGroup(g.row, g.targets)
		c.changes.Groups = append(c.changes.Groups, g.compiled)
	case g.compiled != nil:
		for _, t := range g.targets {
			c.changes.Retired = append(c.changes.Retired, t.Key)
		}
		g.compiled = nil
	}
	g.probes = false
	clear(g.touched)
	if g.row == nil && len(g.rules) == 0 && len(g.targets) == 0 && len(g.problems) == 0 {
		delete(c.groups, arn)
	}
}

func (c *Compiler) compileListener(arn string, l *listenerPart) {
	old := l.compiled
	l.compiled = nil
	if l.row != nil {
		if lb := c.balancers[l.row.LoadBalancerARN]; lb != nil {
			l.compiled = compileListener(lb, l.row)
			c.compileRules(l)
			if old != nil && old.LoadBalancerARN == lb.ARN {
				l.compiled.Kept = old.Kept
			}
			c.changes.Listeners = append(c.changes.Listeners, l.compiled)
			c.changes.Problems = append(c.changes.Problems, l.compiled.problems...)
		}
	} else if len(l.rules) == 0 {
		delete(c.listeners, arn)
	}
	c.reindex = c.reindex || old != nil || l.compiled != nil
}

func (c *Compiler) compileRules(l *listenerPart) {
	out := l.compiled
	parts := slices.SortedFunc(maps.Values(l.rules), func(x, y *rulePart) int { return byPriority(x.row, y.row) })
	tried := 0
	for _, p := range parts {
		r, err := (*Rule)(nil), p.err
		if err == nil {
			r, err = compileRule(p.row, p.conditions, func(arn string) *Use { return c.use(out.LoadBalancerARN, arn) })
		}
		if err != nil {
			out.problems = append(out.problems, fmt.Sprintf("rule %s is left out: %v", p.row.ARN, err))
			continue
		}
		if len(r.conditions) > 0 {
			tried++
		}
		r.Tried = tried
		out.rules = append(out.rules, r)
	}
}

// use returns the use of a group by a load balancer; nil when there is no such group.
func (c *Compiler) use(loadBalancerARN, groupARN string) *Use {
	if g := c.groups[groupARN]; g == nil || g.row == nil {
		return nil
	}
	of := c.uses[loadBalancerARN]
	if of == nil {
		of = map[string]*Use{}
		c.uses[loadBalancerARN] = of
	}
	if of[groupARN] == nil {
		of[groupARN] = &Use{LoadBalancerARN: loadBalancerARN, GroupARN: groupARN}
		c.changes.Uses = append(c.changes.Uses, of[groupARN])
	}
	return of[groupARN]
}

// inOrder returns the compiled listeners in the order of their load balancers' creation.
func (c *Compiler) inOrder() []*Listener {
	var out []*Listener
	for _, l := range c.listeners {
		if l.compiled != nil {
			out = append(out, l.compiled)
		}
	}
	slices.SortFunc(out, func(x, y *Listener) int {
		a, b := c.balancers[x.LoadBalancerARN], c.balancers[y.LoadBalancerARN]
		return cmp.Or(a.Created.Compare(b.Created), cmp.Compare(a.ARN, b.ARN), cmp.Compare(x.ARN, y.ARN))
	})
	return out
}
