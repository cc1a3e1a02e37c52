// Command typecheck reads packages and their tests as they are for another operating system, from source with all that
// they import, and prints every error that a compiler would find in them. That takes a tenth of the time of a build,
// which would compile the standard library and all dependencies for that system first.
//
// Usage:
//
//	typecheck OS PACKAGE...
package main

import (
	"fmt"
	"io"
	"os"

	"golang.org/x/tools/go/packages"
)

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: typecheck OS PACKAGE...")
		os.Exit(2)
	}
	n, err := check(os.Stdout, "", os.Args[1], os.Args[2:]...)
	if err != nil {
		fmt.Fprintf(os.Stderr, "typecheck for %s: %v\n", os.Args[1], err)
		os.Exit(1)
	}
	fmt.Printf("%s: %d packages\n", os.Args[1], n)
}

// mode is what is read of each package. NeedDeps with NeedSyntax checks the functions of imported packages too.
const mode = packages.NeedName | packages.NeedFiles | packages.NeedCompiledGoFiles | packages.NeedImports |
	packages.NeedDeps | packages.NeedTypes | packages.NeedTypesSizes | packages.NeedSyntax | packages.NeedModule

// check checks packages, their tests and all that they import. It writes each error to out once, and returns how many
// packages it has checked. The patterns are those of the go command in a directory; "" is the current one.
func check(out io.Writer, dir, system string, patterns ...string) (n int, err error) {
	all, err := packages.Load(&packages.Config{
		Mode: mode, Dir: dir, Tests: true, Env: append(os.Environ(), "GOOS="+system, "CGO_ENABLED=0"),
	}, patterns...)
	if err != nil {
		return 0, err
	}
	told := make(map[string]bool) // a package is checked again with its tests
	packages.Visit(all, nil, func(p *packages.Package) {
		n++
		for _, e := range p.Errors {
			if text := e.Error(); !told[text] {
				told[text] = true
				fmt.Fprintln(out, text)
			}
		}
	})
	if len(told) > 0 {
		return n, fmt.Errorf("%d errors", len(told))
	}
	return n, nil
}
