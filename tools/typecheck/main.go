// Command typecheck reads packages as they are for another operating system, from source with all that they import, and
// prints every error that a compiler would find in them. That takes a tenth of the time of a build, which would compile
// the standard library and all dependencies for that system first.
//
// Usage:
//
//	typecheck OS PACKAGE...
package main

import (
	"fmt"
	"os"
	"os/exec"
	"strings"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: typecheck OS PACKAGE...")
		os.Exit(2)
	}
	if err := check(os.Args[1], os.Args[2:]); err != nil {
		fmt.Fprintf(os.Stderr, "typecheck for %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
}

// check checks packages and those of this repository that they import. Of other modules only the types are needed, and
// not what is in functions.
func check(system string, patterns []string) error {
	env := append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0")
	list := exec.Command("go", append([]string{"list", "-deps", "-f",
		"{{with .Module}}{{if .Main}}{{$.ImportPath}}{{end}}{{end}}"}, patterns...)...)
	list.Env, list.Stderr = env, os.Stderr
	own, err := list.Output()
	if err != nil {
		return fmt.Errorf("go list: %w", err)
	}
	all, err := packages.Load(&packages.Config{
		Env: env,
		Mode: packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
			packages.NeedDeps | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax |
			packages.NeedTypesInfo | packages.NeedModule,
	}, strings.Fields(string(own))...)
	if err != nil {
		return err
	}
	if n := packages.PrintErrors(all); n > 0 {
		return fmt.Errorf("%d errors", n)
	}
	fmt.Printf("%s: %d packages\n", system, len(all))
	return nil
}
