package internal_test

import (
	"go/ast"
	"strings"
	"testing"
)

// Protocols write a nil list as an empty one where AWS has one (schema.Field.WriteEmpty and OmitEmpty). An action
// that made empty lists itself would hide that one is missing in internal/awswire/shapegen/services.go.
func TestActionsLeaveEmptyListsToTheProtocols(t *testing.T) {
	seen := 0
	for _, p := range packages(t) {
		if !strings.HasPrefix(p.name, "action/") || p.name == "action/desktest" {
			continue
		}
		seen++
		for name, file := range p.files {
			ast.Inspect(file, func(n ast.Node) bool {
				if emptyShapes(n) {
					t.Errorf("%s makes an empty list of shapes; leave it nil, and say in shapegen/services.go "+
						"whether AWS writes it", name)
				}
				return true
			})
		}
	}
	if seen < 5 {
		t.Errorf("only %d packages of actions were found", seen)
	}
}

// emptyShapes reports whether an expression is []shape.T{}.
func emptyShapes(n ast.Node) bool {
	lit, ok := n.(*ast.CompositeLit)
	if !ok || len(lit.Elts) > 0 {
		return false
	}
	list, ok := lit.Type.(*ast.ArrayType)
	if !ok {
		return false
	}
	elem, ok := list.Elt.(*ast.SelectorExpr)
	if !ok {
		return false
	}
	from, ok := elem.X.(*ast.Ident)
	return ok && from.Name == "shape"
}
