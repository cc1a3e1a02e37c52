package main

import (
	"go/ast"
	"go/token"
	"strconv"
	"strings"
)

// wire says how a member is written in a format.
type wire struct {
	Name             string
	Flat             bool   // a list whose items repeat the member's own name
	Item             string // the name of a list's items
	Entry, Key, Elem string // the names of a map's entries, and of their keys and values
	OmitEmpty        bool   // an empty list is left out
	WriteEmpty       bool   // JSON: an empty list is written
	HTTP             string // REST: where the member is, if it is not in the body
}

// jsonNames reads the wire names of a struct from its SerializeMembers method: Go field -> wire name.
func (src *source) jsonNames(goType string) map[string]wire {
	return src.memberNames(goType+".SerializeMembers", func(n ast.Node) (wire, bool) {
		sel, ok := n.(*ast.SelectorExpr)
		if !ok || !isIdent(sel.X, "schemas") {
			return wire{}, false
		}
		name, ok := src.members[sel.Sel.Name]
		return wire{Name: name, HTTP: src.bindings[sel.Sel.Name]}, ok
	})
}

// queryNames reads the parameter names of a struct from its serializer.
func (src *source) queryNames(fn string) map[string]wire {
	return src.memberNames(fn, func(n ast.Node) (wire, bool) {
		e, ok := n.(ast.Expr)
		if !ok {
			return wire{}, false
		}
		if name, ok := callWithLiteral(e, "Key"); ok {
			return wire{Name: name}, true
		}
		name, ok := callWithLiteral(e, "FlatKey")
		return wire{Name: name, Flat: true}, ok
	})
}

// memberNames reads the names of members from the function fn, which has one statement for each. find returns the name
// that an expression contains, if it contains one.
func (src *source) memberNames(fn string, find func(ast.Node) (wire, bool)) map[string]wire {
	decl := src.funcs[fn]
	if decl == nil {
		return nil
	}
	names := map[string]wire{}
	for _, stmt := range decl.Body.List {
		var w wire
		var field string
		ast.Inspect(stmt, func(n ast.Node) bool {
			if got, ok := find(n); ok && w.Name == "" {
				w = got
			}
			if f, ok := selectorOf(n, "v"); ok && field == "" && ast.IsExported(f) {
				field = f
			}
			if callee, ok := serializerCall(n); ok {
				src.addCollectionNames(callee, &w)
			}
			return true
		})
		if w.Name != "" && field != "" {
			names[field] = w
		}
	}
	return names
}

// serializerCall returns the name of the function that n calls, if it is one that serializes a document.
func serializerCall(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return "", false
	}
	id, ok := call.Fun.(*ast.Ident)
	if !ok || !strings.Contains(id.Name, "_serializeDocument") {
		return "", false
	}
	return id.Name, true
}

// addCollectionNames adds the names of items or entries that the serializer of a list or map uses.
func (src *source) addCollectionNames(fn string, w *wire) {
	decl := src.funcs[fn]
	if decl == nil {
		return
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		if name, ok := callWithLiteral(call, "Array"); ok {
			w.Item = name
		}
		if sel, ok := call.Fun.(*ast.SelectorExpr); ok && sel.Sel.Name == "ArrayWithCustomName" {
			w.Item = localName(decl)
		} else if ok && sel.Sel.Name == "Array" && len(call.Args) == 0 {
			w.Item = "member"
		}
		if key, ok := callWithLiteral(call, "Map"); ok && len(call.Args) == 2 {
			w.Entry, w.Key = "entry", key
			w.Elem, _ = literal(call.Args[1])
		}
		return true
	})
}

// xmlNames reads the element names of a struct from its deserializer: a switch with one case per member.
func (src *source) xmlNames(fn string) map[string]wire {
	decl := src.funcs[fn]
	if decl == nil {
		return nil
	}
	names := map[string]wire{}
	ast.Inspect(decl, func(n ast.Node) bool {
		clause, ok := n.(*ast.CaseClause)
		if !ok {
			return true
		}
		name, ok := caseName(clause)
		if !ok {
			return true
		}
		w := wire{Name: name}
		var field string
		for _, stmt := range clause.Body {
			ast.Inspect(stmt, func(n ast.Node) bool {
				if f, ok := selectorOf(n, "sv"); ok && field == "" {
					field = f
				}
				if callee, ok := deserializerCall(n); ok {
					src.addElementNames(callee, &w)
				}
				return true
			})
		}
		if field != "" {
			names[field] = w
		}
		return false
	})
	return names
}

func deserializerCall(n ast.Node) (string, bool) {
	call, ok := n.(*ast.CallExpr)
	if !ok {
		return "", false
	}
	id, ok := call.Fun.(*ast.Ident)
	if !ok || !strings.Contains(id.Name, "_deserializeDocument") {
		return "", false
	}
	return id.Name, true
}

// addElementNames adds the names of items or entries that the deserializer of a list or map uses.
func (src *source) addElementNames(fn string, w *wire) {
	decl := src.funcs[fn]
	if decl == nil {
		return
	}
	switch paramKind(decl) {
	case "list":
		if strings.HasSuffix(fn, "Unwrapped") {
			w.Flat = true
			return
		}
		w.Item = firstCase(decl)
	case "map":
		w.Entry = firstCase(decl)
		cases := allCases(src.funcs[fn+"Unwrapped"])
		if len(cases) == 2 {
			w.Key, w.Elem = cases[0], cases[1]
		}
	}
}

// paramKind returns "list" or "map" if the first parameter of a function is a pointer to one, else "".
func paramKind(d *ast.FuncDecl) string {
	star, ok := d.Type.Params.List[0].Type.(*ast.StarExpr)
	if !ok {
		return ""
	}
	switch star.X.(type) {
	case *ast.ArrayType:
		return "list"
	case *ast.MapType:
		return "map"
	}
	return ""
}

func firstCase(d *ast.FuncDecl) string {
	if all := allCases(d); len(all) > 0 {
		return all[0]
	}
	return ""
}

func allCases(d *ast.FuncDecl) []string {
	var names []string
	if d == nil {
		return nil
	}
	ast.Inspect(d, func(n ast.Node) bool {
		if c, ok := n.(*ast.CaseClause); ok {
			if name, ok := caseName(c); ok {
				names = append(names, name)
			}
		}
		return true
	})
	return names
}

// caseName matches `case strings.EqualFold("name", …):`.
func caseName(c *ast.CaseClause) (string, bool) {
	if len(c.List) != 1 {
		return "", false
	}
	return callWithLiteral(c.List[0], "EqualFold")
}

func selectorOf(n ast.Node, receiver string) (string, bool) {
	sel, ok := n.(*ast.SelectorExpr)
	if !ok || !isIdent(sel.X, receiver) {
		return "", false
	}
	return sel.Sel.Name, true
}

func isIdent(e ast.Expr, name string) bool {
	id, ok := e.(*ast.Ident)
	return ok && id.Name == name
}

func literal(e ast.Expr) (string, bool) {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return "", false
	}
	s, err := strconv.Unquote(lit.Value)
	return s, err == nil
}
