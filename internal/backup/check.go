package backup

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/bolt"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// Checked is how much of a data directory could be read.
type Checked struct {
	Format string // of the state
	Rows   int    // of the state
	Events int64  // of logs
	Blobs  int    // of the registry
}

// Check reads everything in a data directory that no server uses, and calls report for each place
// that is damaged. It changes nothing. The error says that it could not look.
func Check(dir string, report func(error)) (c Checked, err error) {
	if there, err := file.Exists(dir); err != nil || !there {
		return c, errors.Join(err, fmt.Errorf("%s is no data directory: it has neither %s nor %s", dir, file.GuardFile, file.JournalFile))
	}
	c.Format, err = file.FormatOf(dir)
	switch {
	case errors.Is(err, file.ErrInUse):
		return c, fmt.Errorf("%s: %w; stop the server first", dir, err)
	case err != nil && !isDamage(err):
		return c, err
	case err != nil:
		report(err)
	}
	config.Check(dir, report)
	if c.Format == bolt.Format1 {
		c.Rows = checkFormat1(filepath.Join(dir, file.GuardFile), report)
	} else {
		id, keys, err := config.Owner(dir)
		if err != nil { // it was reported
			id = 0
		}
		c.Rows = state.Verify(file.Check(dir, file.Owner{ID: id, Keys: keys}, report), report)
	}
	if c.Events, err = logstore.Check(filepath.Join(dir, "logs"), report); err != nil {
		return c, err
	}
	c.Blobs, err = blob.Check(filepath.Join(dir, registryDir), report)
	return c, err
}

// checkFormat1 reads a journal of format 1, whose first damage ends what can be read.
func checkFormat1(path string, report func(error)) int {
	f, err := bolt.Read(path)
	if err != nil {
		report(err)
		return 0
	}
	return state.Verify(func(yield func(journal.Entry) bool) {
		for e, err := range f.History() {
			if err != nil {
				report(err)
				return
			}
			if !yield(e) {
				return
			}
		}
	}, report)
}

func isDamage(err error) bool {
	_, ok := errors.AsType[*bolt.Damage](err)
	return ok || errors.Is(err, os.ErrNotExist)
}
