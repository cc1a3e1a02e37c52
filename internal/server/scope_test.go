package server

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/golden"
)

// docs/scope.md lists every operation of every API that the front desk has.
func TestScopeListsOperations(t *testing.T) {
	s := run(t, nil)
	var table strings.Builder
	table.WriteString("| service | done | returns an empty list | refused |\n|---|---|---|---|\n")
	for _, service := range s.services() {
		names := map[awswire.Support][]string{}
		for _, o := range service.Operations {
			names[o.Support()] = append(names[o.Support()], o.Name())
		}
		fmt.Fprintf(&table, "| `%s` |", service.Name)
		for _, support := range []awswire.Support{awswire.Works, awswire.ListsNothing, awswire.Refused} {
			slices.Sort(names[support])
			if len(names[support]) > 0 {
				table.WriteString(" " + strings.Join(names[support], ", "))
			}
			table.WriteString(" |")
		}
		table.WriteString("\n")
	}
	golden.Section(t, "../../docs/scope.md", "operations", table.String())
}
