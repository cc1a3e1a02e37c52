package state_test

import (
	"encoding"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"reflect"
	"testing"

	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

func TestEveryTableIsDefinedOnce(t *testing.T) {
	seen := map[string]bool{}
	for i, name := range open(t, mem.New()).View().TableNames() {
		if name == "" || seen[name] {
			t.Errorf("table %d is called %q: want a name of its own in define", i, name)
		}
		seen[name] = true
	}
}

// A field that JSON drops would be lost at a restart.
func TestEveryTableHoldsWhatJSONCanCarry(t *testing.T) {
	tables := reflect.TypeFor[state.Tables]()
	for i := range tables.NumField() {
		field := tables.Field(i)
		get, ok := reflect.PointerTo(field.Type).MethodByName("Get")
		if !ok {
			t.Fatalf("%s is no table", field.Name)
		}
		value := get.Type.Out(0).Elem()
		if reason := lost(value, map[reflect.Type]bool{}); reason != "" {
			t.Errorf("table %s: %s%s", field.Name, value, reason)
		}
	}
}

// lost names the first part of a type that JSON would drop, or returns "".
func lost(t reflect.Type, seen map[reflect.Type]bool) string {
	if seen[t] || marshalsItself(t) {
		return ""
	}
	seen[t] = true
	switch t.Kind() {
	case reflect.Interface, reflect.Func, reflect.Chan, reflect.Complex64, reflect.Complex128, reflect.UnsafePointer:
		return fmt.Sprintf(": %s values cannot be kept", t.Kind())
	case reflect.Pointer, reflect.Slice, reflect.Array, reflect.Map:
		return lost(t.Elem(), seen)
	case reflect.Struct:
		for i := range t.NumField() {
			f := t.Field(i)
			if !f.IsExported() && !f.Anonymous {
				return "." + f.Name + ": not exported, so it is not kept"
			}
			if f.Tag.Get("json") == "-" {
				return "." + f.Name + ": its tag says that it is not kept"
			}
			if reason := lost(f.Type, seen); reason != "" {
				return "." + f.Name + reason
			}
		}
	}
	return ""
}

// marshalsItself reports whether a type has its own method for JSON or text.
func marshalsItself(t reflect.Type) bool {
	p := reflect.PointerTo(t)
	return p.Implements(reflect.TypeFor[json.Marshaler]()) || p.Implements(reflect.TypeFor[encoding.TextMarshaler]())
}

func TestLostIsFound(t *testing.T) {
	for _, c := range []struct {
		value any
		want  string
	}{
		{struct{ A []map[string]*int }{}, ""},
		{struct{ A struct{ b int } }{}, ".A.b: not exported, so it is not kept"},
		{struct{ A []any }{}, ".A: interface values cannot be kept"},
		{struct {
			A int `json:"-"`
		}{}, ".A: its tag says that it is not kept"},
	} {
		if got := lost(reflect.TypeOf(c.value), map[reflect.Type]bool{}); got != c.want {
			t.Errorf("%T: %q, want %q", c.value, got, c.want)
		}
	}
}

// If define left out an index, the program would panic at the first use of it.
func TestEveryIndexIsDefined(t *testing.T) {
	file, err := parser.ParseFile(token.NewFileSet(), "tables.go", nil, 0)
	if err != nil {
		t.Fatal(err)
	}
	declared, defined := map[string]bool{}, map[string]int{}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				v, ok := spec.(*ast.ValueSpec)
				if !ok || len(v.Values) != 1 {
					continue
				}
				ast.Inspect(v.Values[0], func(n ast.Node) bool {
					if made, ok := n.(*ast.Ident); ok && (made.Name == "by" || made.Name == "byEach") {
						declared[v.Names[0].Name] = true
					}
					return true
				})
			}
		case *ast.FuncDecl:
			if d.Name.Name != "define" {
				continue
			}
			ast.Inspect(d, func(n ast.Node) bool {
				if id, ok := n.(*ast.Ident); ok {
					defined[id.Name]++
				}
				return true
			})
		}
	}
	for name := range declared {
		if defined[name] != 1 {
			t.Errorf("index %s is in define %d times, want 1", name, defined[name])
		}
	}
	if len(declared) < 10 {
		t.Errorf("only %d indexes were found", len(declared))
	}
}
