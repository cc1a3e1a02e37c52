package route

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// String returns what was compiled last, for people and golden tests: what is matched in which
// order, and where requests go.
func (c *Compiler) String() string {
	var b strings.Builder
	t := c.table
	for _, number := range t.Ports() {
		for i, l := range t.On(number) {
			also := ""
			if i == 0 && len(t.On(number)) > 1 {
				also = " and any other name"
			}
			fmt.Fprintf(&b, "port %d: %s%s\n", number, l.DNSName, also)
			for _, r := range l.rules {
				r.dump(&b, c)
			}
		}
	}
	for _, arn := range slices.Sorted(maps.Keys(c.groups)) {
		g := c.groups[arn]
		for _, key := range slices.Sorted(maps.Keys(g.problems)) {
			fmt.Fprintf(&b, "problem: %s\n", g.problems[key])
		}
	}
	for _, l := range c.inOrder() {
		for _, p := range l.problems {
			fmt.Fprintf(&b, "problem: %s\n", p)
		}
	}
	for _, p := range t.Problems {
		fmt.Fprintf(&b, "problem: %s\n", p)
	}
	return b.String()
}

func (r *Rule) dump(b *strings.Builder, c *Compiler) {
	name := fmt.Sprint(r.Priority)
	if r.Priority == 0 {
		name = "default"
	}
	fmt.Fprintf(b, "  %s:", name)
	for _, c := range r.conditions {
		fmt.Fprintf(b, " [%s]", &c)
	}
	switch {
	case r.Forward != nil:
		r.Forward.dump(b, c)
	case r.Redirect != nil:
		fmt.Fprintf(b, " -> %d %s://%s:%s%s?%s\n", r.Redirect.StatusCode, r.Redirect.Protocol,
			r.Redirect.Host, r.Redirect.Port, r.Redirect.Path, r.Redirect.Query)
	case r.Fixed != nil:
		fmt.Fprintf(b, " -> %d %s %q\n", r.Fixed.StatusCode, r.Fixed.ContentType, r.Fixed.Body)
	}
}

func (f *Forward) dump(b *strings.Builder, c *Compiler) {
	b.WriteString(" -> forward")
	if f.Sticky > 0 {
		fmt.Fprintf(b, ", sticky for %v", f.Sticky)
	}
	b.WriteString("\n")
	before := uint64(0)
	for i, u := range f.uses {
		g := c.Group(u.GroupARN)
		fmt.Fprintf(b, "    %d x %s %s", f.upTo[i]-before, g.ARN, g.Algorithm)
		if g.Stickiness != "" {
			fmt.Fprintf(b, ", %s for %v", g.Stickiness, g.StickyFor)
		}
		if g.FailOpen {
			b.WriteString(", fail open")
		}
		b.WriteString(":")
		if len(g.choices) == 0 {
			b.WriteString(" nobody")
		}
		for _, t := range g.choices {
			fmt.Fprintf(b, " %s(%s)", t.Address, t.State)
		}
		b.WriteString("\n")
		before = f.upTo[i]
	}
}

func (c *condition) String() string {
	parts := append([]string(nil), c.exact...)
	for _, p := range c.patterns {
		parts = append(parts, p.String())
	}
	for _, re := range c.regexes {
		parts = append(parts, "/"+re.String()+"/")
	}
	for _, p := range c.pairs {
		parts = append(parts, p.key.String()+"="+p.value.String())
	}
	for _, r := range c.ranges {
		parts = append(parts, r.String())
	}
	name := c.field
	if c.header != "" {
		name += " " + c.header
	}
	return name + " " + strings.Join(parts, " or ")
}

func (p pattern) String() string {
	var b strings.Builder
	for _, op := range p.ops {
		switch op {
		case anyRun:
			b.WriteByte('*')
		case anyOne:
			b.WriteByte('?')
		case '*', '?', '\\': // a literal character: compilePattern removed its backslash
			b.WriteByte('\\')
			b.WriteByte(byte(op))
		default:
			b.WriteByte(byte(op))
		}
	}
	return b.String()
}
