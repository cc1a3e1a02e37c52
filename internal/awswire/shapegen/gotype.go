package main

import (
	"fmt"
	"go/ast"
	"strings"
)

// scalars are the SDK's scalar types; ours are pointers, so that absent and zero differ.
var scalars = map[string]string{
	"string": "*string", "bool": "*bool",
	"int32": "*int32", "int64": "*int64", "float32": "*float32", "float64": "*float64",
}

// goType says how a member of the SDK's type e is declared in our package, and pulls in the named types it needs.
func (m *model) goType(e ast.Expr) (typ, enum string, err error) {
	switch e := e.(type) {
	case *ast.StarExpr:
		typ, enum, err = m.goType(e.X)
		if err == nil && !strings.HasPrefix(typ, "*") {
			err = fmt.Errorf("a pointer to %s", typ)
		}
		return typ, enum, err
	case *ast.Ident:
		if s, ok := scalars[e.Name]; ok {
			return s, "", nil
		}
		return m.named(e.Name)
	case *ast.SelectorExpr:
		return m.qualified(e)
	case *ast.ArrayType:
		if isIdent(e.Elt, "byte") {
			return "[]byte", "", nil
		}
		typ, enum, err = m.goType(e.Elt)
		return "[]" + strings.TrimPrefix(typ, "*"), enum, err
	case *ast.MapType:
		typ, enum, err = m.goType(e.Value)
		return "map[string]" + strings.TrimPrefix(typ, "*"), enum, err
	}
	return "", "", fmt.Errorf("unknown type %T", e)
}

func (m *model) qualified(e *ast.SelectorExpr) (typ, enum string, err error) {
	switch pkg := e.X.(*ast.Ident).Name; {
	case pkg == "types":
		return m.named(e.Sel.Name)
	case pkg == "time" && e.Sel.Name == "Time":
		return "*time.Time", "", nil
	case pkg == "document" && e.Sel.Name == "Interface":
		return "any", "", nil
	default:
		return "", "", fmt.Errorf("unknown type %s.%s", pkg, e.Sel.Name)
	}
}

// named resolves a type of the SDK's types package: an enum, a struct or a union.
func (m *model) named(name string) (typ, enum string, err error) {
	spec := m.src.types[name]
	if spec == nil {
		return "", "", fmt.Errorf("unknown type %s", name)
	}
	switch t := spec.Type.(type) {
	case *ast.Ident:
		if t.Name != "string" {
			return "", "", fmt.Errorf("enum %s of %s", name, t.Name)
		}
		return "string", name, m.addEnum(name)
	case *ast.StructType:
		if m.seen[name] == nil {
			sh, err := m.structShape(name, spec, "")
			if err != nil {
				return "", "", err
			}
			m.types = append(m.types, sh)
		}
		return "*" + name, "", nil
	case *ast.InterfaceType:
		return "*" + name, "", m.addUnion(name)
	}
	return "", "", fmt.Errorf("type %s is neither enum, struct nor union", name)
}

// addUnion makes a struct of the union's members, which the SDK declares as types XMemberFoo{Value T}.
func (m *model) addUnion(name string) error {
	if m.seen[name] != nil {
		return nil
	}
	sh := &shape{Name: name, Union: true}
	m.seen[name] = sh
	m.types = append(m.types, sh)
	for v, wireName := range m.src.members {
		if !strings.HasPrefix(v, name+"_") {
			continue
		}
		member := strings.ToUpper(wireName[:1]) + wireName[1:]
		spec := m.src.types[name+"Member"+member]
		if spec == nil {
			return fmt.Errorf("union %s: no member %s", name, member)
		}
		value := spec.Type.(*ast.StructType).Fields.List[0]
		typ, enum, err := m.goType(value.Type)
		if err != nil {
			return fmt.Errorf("union %s.%s: %w", name, member, err)
		}
		f := field{Name: member, Type: typ, Enum: enum, JSON: &wire{Name: wireName}}
		if m.svc.Query {
			w := f.JSON.withDefaults(typ)
			f.Query, f.XML = &w, &w
		}
		sh.Fields = append(sh.Fields, f)
	}
	if len(sh.Fields) == 0 {
		return fmt.Errorf("union %s has no members", name)
	}
	sortFields(sh.Fields)
	return nil
}

// addEnum reads the values an enum may have, from its constants.
func (m *model) addEnum(name string) error {
	if m.enumSet[name] != nil {
		return nil
	}
	d := m.src.funcs[name+".Values"]
	if d == nil {
		return fmt.Errorf("enum %s has no Values", name)
	}
	en := &enum{Name: name}
	ast.Inspect(d, func(n ast.Node) bool {
		if e, ok := n.(ast.Expr); ok {
			if v, ok := literal(e); ok {
				en.Consts = append(en.Consts, enumConst{Value: v})
			}
		}
		return true
	})
	for i := range en.Consts {
		c := &en.Consts[i]
		if c.Name = m.src.consts[name+"="+c.Value]; c.Name == "" {
			return fmt.Errorf("enum %s: no constant for %q", name, c.Value)
		}
	}
	m.enumSet[name] = en
	m.enums = append(m.enums, en)
	return nil
}
