package ecs

import (
	"go/ast"
	"go/parser"
	"go/token"
	"path/filepath"
	"reflect"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/awswire"
)

// TestNoMemberOfAnInputIsSwallowed looks for every member of every input in the source of this package. The
// source must read it, or refuse it by name, or pass the whole input to a function that refuses unknown
// members.
func TestNoMemberOfAnInputIsSwallowed(t *testing.T) {
	shapes, read := shapesOf(t), make(reads)
	for _, f := range parse(t, ".") {
		read.file(f)
	}
	a := &api{}
	for _, op := range slices.Concat(a.operations(), a.notBuilt()) {
		switch name := op.Name(); {
		case name == "DescribeCapacityProviders":
			read.check(t, shapes, name+"Input", []string{"include"}) // no capacity providers, so no tags to include
		case name == "ListAttributes":
			read.check(t, shapes, name+"Input", []string{"targetType"}) // an enum with one value
		case !refusesAll(name):
			read.check(t, shapes, name+"Input", refusals(op, ""))
		}
	}
	// These structures are read member by member.
	create := a.operations()[slices.IndexFunc(a.operations(),
		func(o awswire.Operation) bool { return o.Name() == "CreateService" })]
	read.check(t, shapes, "DeploymentConfiguration", refusals(create, "deploymentConfiguration."))
	read.check(t, shapes, "DeploymentController", nil)
	read.check(t, shapes, "Attribute", []string{"targetType"})
}

// Every action that has generated shapes is answered or refused by name. Calls of agents are answered in
// package dispatch.
func TestEveryActionIsAnsweredOrRefused(t *testing.T) {
	have := map[string]bool{"DiscoverPollEndpoint": true, "RegisterContainerInstance": true,
		"SubmitTaskStateChange":      true,
		"SubmitContainerStateChange": true, "SubmitAttachmentStateChanges": true}
	a := &api{}
	for _, op := range slices.Concat(a.operations(), a.notBuilt()) {
		have[op.Name()] = true
	}
	for shape := range shapesOf(t) {
		if action, ok := strings.CutSuffix(shape, "Input"); ok && !have[action] {
			t.Errorf("there is no %s", action)
		}
	}
}

// refusesAll reports whether the action is refused with any input.
func refusesAll(action string) bool {
	return slices.ContainsFunc((&api{}).notBuilt(), func(o awswire.Operation) bool { return o.Name() == action })
}

// refusals returns the members below a prefix that an operation refuses.
func refusals(op awswire.Operation, prefix string) []string {
	var out []string
	list := reflect.ValueOf(op).FieldByName("refuses")
	for i := range list.Len() {
		if rest, ok := strings.CutPrefix(list.Index(i).String(), prefix); ok {
			out = append(out, rest)
		}
	}
	return out
}

func parse(t *testing.T, dir string) []*ast.File {
	t.Helper()
	names, err := filepath.Glob(filepath.Join(dir, "*.go"))
	if err != nil {
		t.Fatal(err)
	}
	var files []*ast.File
	for _, name := range names {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		f, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, f)
	}
	return files
}

// shapesOf returns the members of every generated structure, by their names in Go, with their names on the
// wire.
func shapesOf(t *testing.T) map[string]map[string]string {
	t.Helper()
	out := make(map[string]map[string]string)
	for _, f := range parse(t, "../../awswire/shape/ecs") {
		ast.Inspect(f, func(n ast.Node) bool {
			spec, ok := n.(*ast.TypeSpec)
			if !ok {
				return true
			}
			if s, ok := spec.Type.(*ast.StructType); ok {
				members := make(map[string]string)
				for _, field := range s.Fields.List {
					if field.Tag == nil || len(field.Names) == 0 {
						continue
					}
					wire, _, _ := strings.Cut(reflect.StructTag(strings.Trim(field.Tag.Value, "`")).Get("json"), ",")
					members[field.Names[0].Name] = wire
				}
				out[spec.Name.Name] = members
			}
			return false
		})
	}
	return out
}

// reads has the members that the source reads. For each shape it has the fields F of expressions x.F, where x
// is a parameter or a struct's field of that shape. It has "*" where x as a whole is passed to parsed or
// reshape.In, which refuse members that they do not know.
type reads map[string]map[string]bool

func (r reads) check(t *testing.T, shapes map[string]map[string]string, shape string, refused []string) {
	t.Helper()
	if shapes[shape] == nil {
		t.Errorf("there is no shape %s", shape)
	}
	for field, wire := range shapes[shape] {
		if !r[shape]["*"] && !r[shape][field] && !slices.Contains(refused, wire) {
			t.Errorf("%s: the source neither reads nor refuses %s", shape, wire)
		}
	}
}

func (r reads) file(f *ast.File) {
	fields := make(map[string]string) // names of struct fields whose type is a shape
	ast.Inspect(f, func(n ast.Node) bool {
		if s, ok := n.(*ast.StructType); ok {
			names(s.Fields, fields)
		}
		return true
	})
	for _, decl := range f.Decls {
		if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
			params := make(map[string]string)
			ast.Inspect(fn, func(n ast.Node) bool {
				if ft, ok := n.(*ast.FuncType); ok {
					names(ft.Params, params)
				}
				return true
			})
			r.body(fn.Body, params, fields)
		}
	}
}

func (r reads) body(body *ast.BlockStmt, params, fields map[string]string) {
	shape := func(e ast.Expr) string {
		switch x := e.(type) {
		case *ast.Ident:
			return params[x.Name]
		case *ast.SelectorExpr:
			return fields[x.Sel.Name]
		}
		return ""
	}
	ast.Inspect(body, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.RangeStmt: // x ranges over a parameter that is a list of shapes
			if v, ok := n.Value.(*ast.Ident); ok && shape(n.X) != "" {
				params[v.Name] = shape(n.X)
			}
		case *ast.SelectorExpr:
			r.add(shape(n.X), n.Sel.Name)
		case *ast.CallExpr:
			if strict(n.Fun) {
				for _, arg := range n.Args {
					r.add(shape(arg), "*")
				}
			}
		}
		return true
	})
}

func (r reads) add(shape, field string) {
	if shape == "" {
		return
	}
	if r[shape] == nil {
		r[shape] = make(map[string]bool)
	}
	r[shape][field] = true
}

// names adds to out the fields or parameters whose type is shape.T, *shape.T or []shape.T.
func names(list *ast.FieldList, out map[string]string) {
	for _, f := range list.List {
		e := f.Type
		for {
			if star, ok := e.(*ast.StarExpr); ok {
				e = star.X
			} else if array, ok := e.(*ast.ArrayType); ok {
				e = array.Elt
			} else {
				break
			}
		}
		sel, ok := e.(*ast.SelectorExpr)
		if !ok {
			continue
		}
		if p, ok := sel.X.(*ast.Ident); ok && p.Name == "shape" {
			for _, n := range f.Names {
				out[n.Name] = sel.Sel.Name
			}
		}
	}
}

// strict reports whether fun is parsed[…] or reshape.In[…].
func strict(fun ast.Expr) bool {
	ix, ok := fun.(*ast.IndexExpr)
	if !ok {
		return false
	}
	switch x := ix.X.(type) {
	case *ast.Ident:
		return x.Name == "parsed"
	case *ast.SelectorExpr:
		return x.Sel.Name == "In"
	}
	return false
}
