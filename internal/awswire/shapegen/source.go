package main

import (
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
)

// source has the declarations of one SDK module by their names.
type source struct {
	types map[string]*ast.TypeSpec // of the root package (inputs and outputs of operations) and of its package types
	funcs map[string]*ast.FuncDecl // methods are keyed "Type.Method"
	// members are the schema variables of a JSON service: "Cluster_clusterName" -> "clusterName".
	members map[string]string
	// consts are the enum constants: "LaunchType=EC2" -> "LaunchTypeEc2".
	consts map[string]string
	// errors has the traits of errors in the schemas of a JSON service.
	errors map[string]errorTraits
	// bindings says where a member of a REST service is, if it is not in the body, by schema variable.
	bindings map[string]string
	// routes has the route of each operation in the form "POST /path 200".
	routes map[string]string
}

// errorTraits are the code of an error in the Query protocol, which is "" if the service does not have it, and the HTTP
// status of the error.
type errorTraits struct {
	QueryCode string
	Status    int
}

// load finds the module of s, downloads it if it is not in the module cache, and parses the files that are needed.
func load(s service) (*source, error) {
	dir, err := moduleDir(s.Module, s.Version)
	if err != nil {
		return nil, err
	}
	src := &source{types: map[string]*ast.TypeSpec{}, funcs: map[string]*ast.FuncDecl{},
		members: map[string]string{}, consts: map[string]string{}, errors: map[string]errorTraits{},
		bindings: map[string]string{}, routes: map[string]string{}}
	paths := []string{"serializers.go", "deserializers.go", "schemas/schemas.go", "types/types.go",
		"types/enums.go", "types/errors.go"}
	for _, op := range s.operations() {
		paths = append(paths, "api_op_"+op+".go")
	}
	for _, p := range paths {
		err := src.parse(filepath.Join(dir, filepath.FromSlash(p)))
		if os.IsNotExist(err) && !strings.HasPrefix(p, "api_op_") {
			continue // only JSON services have schemas, only others have serializers, and some have no enums
		}
		if err != nil {
			return nil, err
		}
	}
	return src, nil
}

// moduleDir asks the go command for the directory of a module version. It runs the command outside any module, so that
// it does not change go.mod.
func moduleDir(module, version string) (string, error) {
	tmp, err := os.MkdirTemp("", "shapegen")
	if err != nil {
		return "", err
	}
	defer os.RemoveAll(tmp)
	cmd := exec.Command("go", "mod", "download", "-json", module+"@"+version)
	cmd.Dir = tmp
	text, err := cmd.Output()
	var answer struct{ Dir, Error string }
	if jsonErr := json.Unmarshal(text, &answer); jsonErr != nil || answer.Error != "" {
		return "", fmt.Errorf("go mod download %s@%s: %v %s", module, version, err, answer.Error)
	}
	return answer.Dir, nil
}

func (src *source) parse(path string) error {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.ParseComments|parser.SkipObjectResolution)
	if err != nil {
		return err
	}
	for _, d := range file.Decls {
		switch d := d.(type) {
		case *ast.FuncDecl:
			src.funcs[funcName(d)] = d
			if d.Name.Name == "init" {
				src.readMembers(d)
			}
		case *ast.GenDecl:
			for _, spec := range d.Specs {
				switch spec := spec.(type) {
				case *ast.TypeSpec:
					src.types[spec.Name.Name] = spec
				case *ast.ValueSpec:
					src.readConst(spec)
					src.readTraits(spec)
				}
			}
		}
	}
	return nil
}

func funcName(d *ast.FuncDecl) string {
	if d.Recv == nil || len(d.Recv.List) == 0 {
		return d.Name.Name
	}
	t := d.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name + "." + d.Name.Name
	}
	return d.Name.Name
}

// readMembers reads statements of the form `X_y = X.AddMember("y", …)` of a file of schemas.
func (src *source) readMembers(d *ast.FuncDecl) {
	ast.Inspect(d, func(n ast.Node) bool {
		as, ok := n.(*ast.AssignStmt)
		if !ok || len(as.Lhs) != 1 || len(as.Rhs) != 1 {
			return true
		}
		left, ok := as.Lhs[0].(*ast.Ident)
		if !ok {
			return true
		}
		if name, ok := callWithLiteral(as.Rhs[0], "AddMember"); ok {
			src.members[left.Name] = name
			src.bindings[left.Name] = bindingOf(as.Rhs[0].(*ast.CallExpr))
		}
		return true
	})
}

// callWithLiteral returns the literal if e has the form x.method("literal", …).
func callWithLiteral(e ast.Expr, method string) (string, bool) {
	call, ok := e.(*ast.CallExpr)
	if !ok || len(call.Args) == 0 {
		return "", false
	}
	sel, ok := call.Fun.(*ast.SelectorExpr)
	if !ok || sel.Sel.Name != method {
		return "", false
	}
	return literal(call.Args[0])
}

// readConst reads a declaration of the form `LaunchTypeEc2 LaunchType = "EC2"`.
func (src *source) readConst(v *ast.ValueSpec) {
	typ, ok := v.Type.(*ast.Ident)
	if !ok || len(v.Names) != 1 || len(v.Values) != 1 {
		return
	}
	if value, ok := literal(v.Values[0]); ok {
		src.consts[typ.Name+"="+value] = v.Names[0].Name
	}
}

// readTraits reads the traits in a declaration of the form `X = smithy.NewSchema(…, &smithytraits.Error{…}, …)`, where
// X is an error or an operation.
func (src *source) readTraits(v *ast.ValueSpec) {
	if len(v.Names) != 1 || len(v.Values) != 1 {
		return
	}
	name, found, isError := v.Names[0].Name, errorTraits{}, false
	for trait, lit := range traitsIn(v.Values[0]) {
		switch trait {
		case "Error":
			isError = true
		case "AWSQueryError":
			found.QueryCode, _ = literal(elementOf(lit, "ErrorCode"))
		case "HTTPError":
			found.Status, _ = strconv.Atoi(elementOf(lit, "Code").(*ast.BasicLit).Value)
		case "HTTP":
			method, _ := literal(elementOf(lit, "Method"))
			uri, _ := literal(elementOf(lit, "URI"))
			src.routes[name] = method + " " + uri + " " + elementOf(lit, "Code").(*ast.BasicLit).Value
		}
	}
	if isError {
		src.errors[name] = found
	}
}

// traitsIn returns the traits in an expression by their names.
func traitsIn(e ast.Expr) map[string]*ast.CompositeLit {
	found := map[string]*ast.CompositeLit{}
	ast.Inspect(e, func(n ast.Node) bool {
		lit, ok := n.(*ast.CompositeLit)
		if !ok {
			return true
		}
		if trait, ok := lit.Type.(*ast.SelectorExpr); ok && isIdent(trait.X, "smithytraits") {
			found[trait.Sel.Name] = lit
		}
		return true
	})
	return found
}

// bindingOf returns where a member of a REST service is, from the traits of an AddMember call.
func bindingOf(call *ast.CallExpr) string {
	for trait, lit := range traitsIn(call) {
		switch trait {
		case "HTTPLabel":
			return "label"
		case "HTTPPayload":
			return "payload"
		case "HTTPResponseCode":
			return "status"
		case "HTTPQuery":
			name, _ := literal(elementOf(lit, "Name"))
			return "query=" + name
		case "HTTPHeader":
			name, _ := literal(elementOf(lit, "Name"))
			return "header=" + name
		case "HTTPPrefixHeaders":
			prefix, _ := literal(elementOf(lit, "Prefix"))
			return "prefix=" + prefix
		}
	}
	return ""
}

// elementOf returns the value of a key in a composite literal; nil if there is none.
func elementOf(lit *ast.CompositeLit, key string) ast.Expr {
	for _, e := range lit.Elts {
		if kv, ok := e.(*ast.KeyValueExpr); ok && isIdent(kv.Key, key) {
			return kv.Value
		}
	}
	return nil
}
