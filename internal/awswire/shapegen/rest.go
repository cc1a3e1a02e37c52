package main

import (
	"go/ast"
	"strings"
)

// The SDK has the names of REST services with XML not in tables but in code: in the functions that write requests and
// read answers.

// restRoute reads method and path from the function that writes a request.
func (src *source) restRoute(op, status string) string {
	decl := src.funcs["awsRestxml_serializeOp"+op+".HandleSerialize"]
	if decl == nil {
		return ""
	}
	var uri, method string
	ast.Inspect(decl, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if text, ok := callWithLiteral(e, "SplitURI"); ok {
				uri = text
			}
		}
		if as, ok := n.(*ast.AssignStmt); ok && len(as.Lhs) == 1 {
			if sel, ok := as.Lhs[0].(*ast.SelectorExpr); ok && sel.Sel.Name == "Method" {
				method, _ = literal(as.Rhs[0])
			}
		}
		return true
	})
	return method + " " + uri + " " + status
}

// restNames reads the names of a struct's members from the functions that read them from a body and write them into
// one. If both have a name, that of the second is used.
func (src *source) restNames(name, half string) map[string]wire {
	doc := "Document"
	if half != "" {
		doc = "OpDocument"
	}
	names := src.xmlNames("awsRestxml_deserialize" + doc + name)
	if names == nil {
		names = map[string]wire{}
	}
	written := src.memberNames("awsRestxml_serialize"+doc+name, func(n ast.Node) (wire, bool) {
		kv, ok := n.(*ast.KeyValueExpr)
		if !ok || !isIdent(kv.Key, "Local") {
			return wire{}, false
		}
		local, ok := literal(kv.Value)
		return wire{Name: local}, ok
	})
	for field, w := range written {
		w.Flat = src.isFlat("awsRestxml_serialize"+doc+name, field)
		names[field] = w
	}
	switch half {
	case "Input":
		src.addBindings(names, "awsRestxml_serializeOpHttpBindings"+name, "v")
		src.addPayload(names, "awsRestxml_serializeOp"+strings.TrimSuffix(name, half)+".HandleSerialize", "input")
	case "Output":
		src.addBindings(names, "awsRestxml_deserializeOpHttpBindings"+name, "v")
		src.addPayload(names, "awsRestxml_deserializeOp"+strings.TrimSuffix(name, half)+".HandleDeserialize", "output")
	}
	return names
}

// isFlat reports whether the items of a list are written without an element around them.
func (src *source) isFlat(fn, field string) bool {
	flat := false
	for _, stmt := range src.funcs[fn].Body.List {
		about := false
		ast.Inspect(stmt, func(n ast.Node) bool {
			f, ok := selectorOf(n, "v")
			about = about || ok && f == field
			if sel, ok := n.(*ast.SelectorExpr); ok && about && sel.Sel.Name == "FlattenedElement" {
				flat = true
			}
			return true
		})
	}
	return flat
}

// addBindings adds the members that are in the path, the query string or header fields.
func (src *source) addBindings(names map[string]wire, fn, receiver string) {
	decl := src.funcs[fn]
	if decl == nil {
		return
	}
	for _, stmt := range decl.Body.List {
		var w wire
		var field string
		ast.Inspect(stmt, func(n ast.Node) bool {
			if f, ok := selectorOf(n, receiver); ok && field == "" && ast.IsExported(f) {
				field = f
			}
			e, ok := n.(ast.Expr)
			if !ok {
				return true
			}
			for call, place := range map[string]string{"SetURI": "label", "SetQuery": "query=", "AddQuery": "query=",
				"SetHeader": "header=", "AddHeader": "header=", "Headers": "prefix=", "Values": "header="} {
				if name, ok := callWithLiteral(e, call); ok {
					if w = (wire{HTTP: place + name}); place == "label" {
						w = wire{Name: name, HTTP: place}
					}
				}
			}
			return true
		})
		if w.HTTP == "" || field == "" {
			continue
		}
		if w.Name == "" {
			w.Name = field
		}
		names[field] = w
	}
}

// addPayload adds the member that is the whole body. It is the one that is passed to a function that reads or writes a
// document.
func (src *source) addPayload(names map[string]wire, fn, receiver string) {
	decl := src.funcs[fn]
	if decl == nil {
		return
	}
	ast.Inspect(decl, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) == 0 {
			return true
		}
		id, ok := call.Fun.(*ast.Ident)
		if !ok || !strings.Contains(id.Name, "serializeDocument") {
			return true
		}
		arg := call.Args[0]
		if unary, ok := arg.(*ast.UnaryExpr); ok {
			arg = unary.X
		}
		if field, ok := selectorOf(arg, receiver); ok {
			names[field] = wire{Name: field, HTTP: "payload"}
		}
		return true
	})
}

// localName returns the name of the element that a function writes.
func localName(decl *ast.FuncDecl) (name string) {
	ast.Inspect(decl, func(n ast.Node) bool {
		if kv, ok := n.(*ast.KeyValueExpr); ok && isIdent(kv.Key, "Local") && name == "" {
			name, _ = literal(kv.Value)
		}
		return true
	})
	return name
}
