package state

import (
	"fmt"
	"iter"

	"github.com/berthhq/berth/internal/state/journal"
)

// Verify reads entries as Open does, and calls report for each that it cannot read. It returns the tables
// at the end and the number of their rows.
func Verify(entries iter.Seq[journal.Entry], report func(error)) (t *Tables, rows int) {
	l := newLoader()
	for e := range entries {
		if err := l.load(e.Data); err != nil {
			report(fmt.Errorf("revision %d: %w", e.Rev, err))
		}
	}
	for t := range l.tx.list() {
		rows += t.rows.primary.items.Len()
	}
	return &l.tx.Tables, rows
}
