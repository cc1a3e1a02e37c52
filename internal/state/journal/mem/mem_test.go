package mem_test

import (
	"testing"

	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/journaltest"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

func TestJournal(t *testing.T) {
	journaltest.Run(t, func(testing.TB) func() journal.Journal {
		j := mem.New()
		return func() journal.Journal { return j.Reopen() }
	})
}
