package internal_test

import (
	"go/ast"
	"path"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// pure names the packages that PURE stands for in the rules: values in, values out.
// Words in capitals are everything below them.
func pure(t *testing.T) map[string]bool {
	t.Helper()
	g, err := parseRules(rules)
	if err != nil {
		t.Fatal(err)
	}
	found := make(map[string]bool)
	for _, name := range g["PURE"] {
		found[name] = true
		if name == strings.ToUpper(name) {
			for below := range g.below(name) {
				found[below] = true
			}
		}
	}
	return found
}

// impure imports: the world, the clock of others, chance, and waiting. A
// pattern covers what is below it; the exceptions are values, not doors.
var (
	impure = []string{"os", "net", "syscall", "context", "math/rand", "crypto/rand", "log", "sync", "unsafe",
		"runtime", "testing"}
	exceptions = []string{"net/netip", "net/url"}
)

// clock are the names of package time that read the clock or wait for it.
var clock = []string{"Now", "Since", "Until", "Sleep", "After", "AfterFunc", "Tick", "NewTimer", "NewTicker"}

func TestNounsAndBrainsArePure(t *testing.T) {
	pure, checked := pure(t), map[string]bool{}
	for _, p := range packages(t) {
		if !pure[p.name] {
			continue
		}
		checked[p.name] = true
		for _, imported := range p.imports() {
			if isImpure(imported) {
				t.Errorf("package %s imports %s; pure packages take what they need as arguments", p.name, imported)
			}
		}
		for file, f := range p.files {
			for _, what := range impurities(f) {
				t.Errorf("%s: %s; pure packages take the time as an argument and start nothing", file, what)
			}
		}
	}
	for _, p := range []string{
		"arn", "ecs", "fleet", "role", "scaling", "meter/expr", "meter/gather",
		"sched", "sched/cql", "rollout", "route", "launch", "why",
	} {
		if !checked[p] {
			t.Errorf("package %s was not checked; the rules do not say that it is pure", p)
		}
	}
}

func isImpure(imported string) bool {
	if slices.Contains(exceptions, imported) {
		return false
	}
	return slices.ContainsFunc(impure, func(name string) bool {
		return imported == name || strings.HasPrefix(imported, name+"/")
	})
}

// impurities lists the go statements of a file, and its uses of the clock under
// whatever name it imports package time.
func impurities(f *ast.File) (found []string) {
	clockName := ""
	for _, i := range f.Imports {
		if p, err := strconv.Unquote(i.Path.Value); err == nil && p == "time" {
			clockName = path.Base(p)
			if i.Name != nil {
				clockName = i.Name.Name
			}
		}
	}
	ast.Inspect(f, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.GoStmt:
			found = append(found, "a go statement")
		case *ast.SelectorExpr:
			if x, ok := n.X.(*ast.Ident); ok && clockName != "" && x.Name == clockName &&
				slices.Contains(clock, n.Sel.Name) {
				found = append(found, "time."+n.Sel.Name)
			}
		}
		return true
	})
	return found
}
