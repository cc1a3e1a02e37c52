// Package internal_test holds the rules of the house that are about the source
// itself: who may import whom, what pure packages may touch, and that every
// package says what it is.
package internal_test

import (
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
)

const module = "github.com/berthhq/berth"

// source is a package as it stands in the tree, without its tests.
type source struct {
	name  string // relative to internal/, or to the module with a slash before it
	files map[string]*ast.File
}

// packages returns the packages of the workspace's modules, with the files for all systems. Do not change them: every
// test gets the same ones.
func packages(t *testing.T) []source {
	t.Helper()
	all, err := parsed()
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// parsed reads them once, which takes longer than all tests together.
var parsed = sync.OnceValues(func() ([]source, error) {
	byName := map[string]source{}
	fset := token.NewFileSet()
	err := filepath.WalkDir("..", func(file string, d fs.DirEntry, err error) error {
		switch name := d.Name(); {
		case err != nil:
			return err
		case d.IsDir() && (name == "testdata" || name == "node_modules" ||
			name != ".." && strings.HasPrefix(name, ".")):
			return fs.SkipDir
		case d.IsDir() && nested(file):
			return fs.SkipDir
		case d.IsDir() || !strings.HasSuffix(name, ".go") || strings.HasSuffix(name, "_test.go"):
			return nil
		}
		f, err := parser.ParseFile(fset, file, nil, parser.ParseComments|parser.SkipObjectResolution)
		if err != nil {
			return err
		}
		dir, err := filepath.Rel("..", filepath.Dir(file))
		if err != nil {
			return err
		}
		name := relative(filepath.ToSlash(dir))
		if _, ok := byName[name]; !ok {
			byName[name] = source{name, map[string]*ast.File{}}
		}
		byName[name].files[file] = f
		return nil
	})
	var all []source
	for _, p := range byName {
		all = append(all, p)
	}
	slices.SortFunc(all, func(a, b source) int { return strings.Compare(a.name, b.name) })
	return all, err
})

// nested tells whether a directory is a module of its own that is not in the workspace.
func nested(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil && !slices.Contains(workspace(), dir)
}

// workspace returns the directories of the modules of go.work, relative to this one.
var workspace = sync.OnceValue(func() (dirs []string) {
	text, err := os.ReadFile("../go.work")
	if err != nil {
		panic(err)
	}
	for line := range strings.Lines(string(text)) {
		if line = strings.TrimSpace(line); line == "." || strings.HasPrefix(line, "./") {
			dirs = append(dirs, filepath.Join("..", line))
		}
	}
	return dirs
})

func relative(dir string) string {
	if name, ok := strings.CutPrefix(dir, "internal/"); ok {
		return name
	}
	return "/" + dir
}

// imports returns the import paths of all files.
func (p source) imports() []string {
	var paths []string
	for _, f := range p.files {
		for _, i := range f.Imports {
			if path, err := strconv.Unquote(i.Path.Value); err == nil {
				paths = append(paths, path)
			}
		}
	}
	slices.Sort(paths)
	return slices.Compact(paths)
}

// ours returns the imported packages of this module, named as in the rules.
func (p source) ours() []string {
	var names []string
	for _, path := range p.imports() {
		if dir, ok := strings.CutPrefix(path, module+"/"); ok {
			names = append(names, relative(dir))
		}
	}
	return names
}

// Every package opens with its contract, and is named for the thing.
func TestPackagesSayWhatTheyAre(t *testing.T) {
	helpful := []string{
		"util", "utils", "common", "helper", "helpers", "types", "model", "models", "pkg", "manager", "core",
		"misc", "base", "shared",
	}
	for _, p := range packages(t) {
		documented := false
		for _, f := range p.files {
			want := "Package " + f.Name.Name + " "
			documented = documented || f.Doc != nil && (f.Name.Name == "main" || strings.HasPrefix(f.Doc.Text(), want))
			if slices.Contains(helpful, f.Name.Name) {
				t.Errorf("package %s is named for its helpfulness and not for a thing", p.name)
			}
		}
		if !documented {
			t.Errorf("package %s has no package comment", p.name)
		}
		for _, element := range strings.Split(p.name, "/") {
			if slices.Contains(helpful, element) {
				t.Errorf("package %s: the directory name %q is not the name of a thing", p.name, element)
			}
		}
	}
}

// Nothing registers itself: who is wired to whom stands in one place.
func TestNoInit(t *testing.T) {
	for _, p := range packages(t) {
		for file, f := range p.files {
			for _, d := range f.Decls {
				if fn, ok := d.(*ast.FuncDecl); ok && fn.Recv == nil && fn.Name.Name == "init" {
					t.Errorf("%s has an init function; wire it by hand in server", file)
				}
			}
		}
	}
}

// What commands print may hold text of others: they format with package quote, or quote by hand.
func TestCommandsQuoteWhatTheyPrint(t *testing.T) {
	for _, p := range packages(t) {
		if p.name != "cli" && p.name != "demo" {
			continue
		}
		for file, f := range p.files {
			ast.Inspect(f, func(n ast.Node) bool {
				call, ok := n.(*ast.CallExpr)
				if ok && len(call.Args) > 2 && isSelector(call.Fun, "fmt", "Fprintf") &&
					!quotesArguments(call.Args[2:]) {
					t.Errorf("%s: fmt.Fprintf prints unquoted text; use quote.Fprintf", file)
				}
				return true
			})
		}
	}
}

func isSelector(e ast.Expr, pkg, name string) bool {
	s, ok := e.(*ast.SelectorExpr)
	if !ok || s.Sel.Name != name {
		return false
	}
	x, ok := s.X.(*ast.Ident)
	return ok && x.Name == pkg
}

// quotesArguments reports whether one of the arguments is a call of package quote.
func quotesArguments(args []ast.Expr) bool {
	return slices.ContainsFunc(args, func(e ast.Expr) bool {
		call, ok := e.(*ast.CallExpr)
		return ok && (isSelector(call.Fun, "quote", "Lines") || isSelector(call.Fun, "quote", "Text"))
	})
}
