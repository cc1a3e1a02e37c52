package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// readOperation matches the names of operations that change nothing.
var readOperation = regexp.MustCompile(`^(Describe|List|Get)[A-Z]`)

// pagingTypes are the types of the members of answers that say where in a list a page is.
var pagingTypes = []string{"*string", "*bool", "*int32"}

// emitAbsent returns the text of absent.go: the operations that list resources which cannot exist here.
func emitAbsent(s service, m *model) (string, error) {
	list := s.absent()
	if len(list) == 0 {
		return "", nil
	}
	var b strings.Builder
	b.WriteString("import \"github.com/berthhq/berth/internal/awswire/shape\"\n\n" +
		"// Absent are the operations that list what cannot exist here.\nvar Absent = []shape.Absent{\n")
	for _, a := range list {
		if err := m.checkAbsent(a); err != nil {
			return "", fmt.Errorf("%s: %w", a.Name, err)
		}
		fmt.Fprintf(&b, "{\nName: %q,\nIn: %sInput{},\nOut: %sOutput{},\n", a.Name, a.Name, a.Name)
		if len(a.Unknown) > 0 {
			b.WriteString("Unknown: []shape.Unknown{")
			for _, u := range a.Unknown {
				fmt.Fprintf(&b, "\n{Member: %q, Code: %q},", u[0], u[1])
			}
			b.WriteString("\n},\n")
		}
		b.WriteString("},\n")
	}
	return b.String() + "}\n", nil
}

// checkAbsent returns an error if an operation does not only read, or if its answer has members that are neither lists
// nor about pages.
func (m *model) checkAbsent(a absent) error {
	if !readOperation.MatchString(a.Name) {
		return fmt.Errorf("its name does not begin with Describe, List or Get")
	}
	lists := 0
	for _, f := range m.seen[a.Name+"Output"].Fields {
		switch {
		case strings.HasPrefix(f.Type, "[]"):
			lists++
		case !slices.Contains(pagingTypes, f.Type):
			return fmt.Errorf("its answer has %s of type %s", f.Name, f.Type)
		}
	}
	if lists == 0 {
		return fmt.Errorf("its answer has no list")
	}
	for _, u := range a.Unknown {
		if !slices.ContainsFunc(m.seen[a.Name+"Input"].Fields, func(f field) bool { return f.Name == u[0] }) {
			return fmt.Errorf("it has no member %s", u[0])
		}
	}
	return nil
}
