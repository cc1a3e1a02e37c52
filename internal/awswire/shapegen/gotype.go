package main

import (
	"fmt"
	"go/ast"
	"strings"
)

// scalars maps the SDK's scalar types to ours. Ours are pointers, so that a member that is absent differs from one
// that is zero.
var scalars = map[string]string{
	"string": "*string", "bool": "*bool",
	"int32": "*int32", "int64": "*int64", "float32": "*float32", "float64": "*float64",
}

// goType returns the Go type, in the generated package, of a member that has the type e in the SDK. It adds the named
// types that it needs to the model.
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

// named returns our type for an enum, a struct or a union of the SDK's package types, and adds it to the model.
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

// addUnion adds a struct with the members of a union. The SDK declares each member as a type XMemberFoo{Value T}.
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

// addEnum adds an enum. It reads the values from the enum's method Values and their names from its constants.
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
