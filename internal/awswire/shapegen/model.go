package main

import (
	"cmp"
	"fmt"
	"go/ast"
	"slices"
	"strings"
)

// model is the content of one generated package.
type model struct {
	ops     []*shape
	types   []*shape
	enums   []*enum
	errors  []string
	seen    map[string]*shape
	enumSet map[string]*enum
	src     *source
	svc     service
}

// shape is a struct or a union.
type shape struct {
	Name   string
	Union  bool   // exactly one member is set
	Route  string // of the input of a REST operation: method, path and status
	Fields []field
}

type field struct {
	Name     string
	Type     string // the Go type in the generated package
	Enum     string // the enum that the strings in Type belong to, if they do
	Required bool
	JSON     *wire
	Query    *wire
	XML      *wire
}

type enum struct {
	Name   string
	Consts []enumConst
}

type enumConst struct{ Name, Value string }

func newModel(s service, src *source) (*model, error) {
	m := &model{src: src, svc: s, seen: map[string]*shape{}, enumSet: map[string]*enum{}}
	for _, op := range s.operations() {
		for _, half := range []string{"Input", "Output"} {
			name := op + half
			spec := src.types[name]
			if spec == nil {
				return nil, fmt.Errorf("%s: no type %s", op, name)
			}
			sh, err := m.structShape(name, spec, half)
			if err != nil {
				return nil, err
			}
			if half == "Input" && m.svc.REST {
				if sh.Route = m.route(op); strings.Contains(sh.Route, "  ") || sh.Route == "" {
					return nil, fmt.Errorf("%s: no route found", op)
				}
			}
			m.ops = append(m.ops, sh)
		}
	}
	m.readErrors()
	slices.SortFunc(m.types, func(a, b *shape) int { return cmp.Compare(a.Name, b.Name) })
	slices.SortFunc(m.enums, func(a, b *enum) int { return cmp.Compare(a.Name, b.Name) })
	return m, nil
}

// structShape reads a struct. half is "Input" or "Output" for the input or output of an operation, and "" for other
// types.
func (m *model) structShape(name string, spec *ast.TypeSpec, half string) (*shape, error) {
	st, ok := spec.Type.(*ast.StructType)
	if !ok {
		return nil, fmt.Errorf("%s is not a struct", name)
	}
	sh := &shape{Name: name}
	m.seen[name] = sh
	names := m.namesOf(name, half)
	for _, f := range st.Fields.List {
		if len(f.Names) != 1 || !f.Names[0].IsExported() || f.Names[0].Name == "ResultMetadata" {
			continue // fields that only the SDK needs
		}
		fl := field{Name: f.Names[0].Name, Required: strings.Contains(f.Doc.Text(), "This member is required.")}
		var err error
		if fl.Type, fl.Enum, err = m.goType(f.Type); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, fl.Name, err)
		}
		if fl.JSON, fl.Query, fl.XML, err = names.of(fl, half); err != nil {
			return nil, fmt.Errorf("%s.%s: %w", name, fl.Name, err)
		}
		if fl.XML != nil && strings.HasPrefix(fl.Type, "[]") && m.svc.omitsEmpty(name, fl.Name) {
			xml := *fl.XML
			xml.OmitEmpty = true
			fl.XML = &xml
		}
		if fl.JSON != nil && half == "Output" && strings.HasPrefix(fl.Type, "[]") && m.svc.omitsEmpty(name, fl.Name) {
			json := *fl.JSON
			json.OmitEmpty = true
			fl.JSON = &json
		}
		if fl.JSON != nil && half == "" && strings.HasPrefix(fl.Type, "[]") && m.svc.writesEmpty(name, fl.Name) {
			json := *fl.JSON
			json.WriteEmpty = true
			fl.JSON = &json
		}
		sh.Fields = append(sh.Fields, fl)
	}
	return sh, m.addExtra(sh)
}

// addExtra adds the members of service.Extra.
func (m *model) addExtra(sh *shape) error {
	for _, name := range m.svc.Extra[sh.Name] {
		f := field{Name: strings.ToUpper(name[:1]) + name[1:], Type: "*string", JSON: &wire{Name: name}}
		if slices.ContainsFunc(sh.Fields, func(g field) bool { return g.Name == f.Name }) {
			return fmt.Errorf("%s.%s is in the model now: take it out of the extras", sh.Name, f.Name)
		}
		sh.Fields = append(sh.Fields, f)
	}
	return nil
}

// nameTables has the names of a struct's members in the three formats, by Go field.
type nameTables struct {
	json, query, xml map[string]wire
	rest             bool // requests have XML names too
}

func (m *model) namesOf(name, half string) nameTables {
	var t nameTables
	if m.svc.JSON {
		t.json = m.src.jsonNames(name)
	}
	if m.svc.JSON {
		if m.svc.Query {
			t.query, t.xml = t.json, t.json
		}
		return t
	}
	if m.svc.REST {
		t.xml = m.src.restNames(name, half)
		t.rest = true
		return t
	}
	doc := "Document"
	if half != "" {
		doc = "OpDocument"
	}
	t.query = m.src.queryNames(m.svc.prefix() + "serialize" + doc + name)
	t.xml = m.src.xmlNames(m.svc.prefix() + "deserialize" + doc + name)
	return t
}

// of returns the names of one field. It returns an error if the field has no name in any format.
func (t nameTables) of(f field, half string) (json, query, xml *wire, err error) {
	pick := func(table map[string]wire) *wire {
		if w, ok := table[f.Name]; ok {
			if t.json != nil {
				w = w.withDefaults(f.Type)
			}
			return &w
		}
		return nil
	}
	json, query, xml = pick(t.json), pick(t.query), pick(t.xml)
	switch {
	case json == nil && query == nil && xml == nil:
		err = fmt.Errorf("no wire name found")
	case half == "Input" && !t.rest:
		xml = nil
	case half == "Output":
		query = nil
	}
	return json, query, xml, err
}

// withDefaults adds the names that Query uses for items and entries of collections when the service's model has none.
func (w wire) withDefaults(goType string) wire {
	switch {
	case strings.HasPrefix(goType, "[]") && goType != "[]byte":
		w.Item = "member"
	case strings.HasPrefix(goType, "map["):
		w.Entry, w.Key, w.Elem = "entry", "key", "value"
	}
	return w
}

// route returns the route of a REST operation.
func (m *model) route(op string) string {
	if m.svc.JSON {
		return m.src.routes[op]
	}
	status := "200"
	if slices.Contains(strings.Fields(m.svc.Created), op) {
		status = "201"
	}
	return m.src.restRoute(op, status)
}

// readErrors collects the codes of the service's errors.
func (m *model) readErrors() {
	for name, d := range m.src.funcs {
		if !strings.HasSuffix(name, ".ErrorCode") {
			continue
		}
		ast.Inspect(d, func(n ast.Node) bool {
			r, ok := n.(*ast.ReturnStmt)
			if ok && len(r.Results) == 1 {
				if code, ok := literal(r.Results[0]); ok {
					m.errors = append(m.errors, code)
				}
			}
			return true
		})
	}
	slices.Sort(m.errors)
	m.errors = slices.Compact(m.errors)
}
