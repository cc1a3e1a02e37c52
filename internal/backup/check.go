package backup

import (
	"errors"
	"fmt"
	"iter"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal"
	"github.com/berthhq/berth/internal/state/journal/bolt"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// Checked is what Check could read of a data directory.
type Checked struct {
	Format string // of the state
	Rows   int    // of the state
	Events int64  // of logs
	Points int64  // of metrics
	Blobs  int    // of the registry
}

// Check reads everything in a data directory that no server uses, and calls report for each damaged place. It
// changes nothing. It returns an error when it could not check.
func Check(dir string, report func(error)) (c Checked, err error) {
	if there, err := file.Exists(dir); err != nil || !there {
		return c, errors.Join(err, fmt.Errorf("%s is no data directory: it has neither %s nor %s", dir,
			file.GuardFile, file.JournalFile))
	}
	c.Format, err = file.FormatOf(dir)
	switch {
	case errors.Is(err, file.ErrInUse):
		return c, fmt.Errorf("%w; stop the server first", err)
	case err != nil && !isDamage(err):
		return c, err
	case err != nil:
		report(err)
	}
	config.Check(dir, report)
	var tables *state.Tables
	if c.Format == bolt.Format1 {
		tables, c.Rows = checkFormat1(filepath.Join(dir, file.GuardFile), report)
	} else {
		id, keys, err := config.Owner(dir)
		if err != nil { // config.Check has reported it
			id = 0
		}
		tables, c.Rows = state.Verify(file.Check(dir, file.Owner{ID: id, Keys: keys}, report), report)
	}
	if c.Events, err = logstore.Check(filepath.Join(dir, logsDir), report); err != nil {
		return c, err
	}
	if c.Points, err = meter.Check(filepath.Join(dir, metricsDir), report); err != nil {
		return c, err
	}
	c.Blobs, err = blob.Check(filepath.Join(dir, registryDir), contents(tables), report)
	return c, err
}

// contents returns the digests of everything that images consist of.
func contents(t *state.Tables) iter.Seq[string] {
	return func(yield func(string) bool) {
		for img := range t.Images.All() {
			for digest := range img.Content() {
				if !yield(digest) {
					return
				}
			}
		}
	}
}

// checkFormat1 reads a journal of format 1, up to the first damage.
func checkFormat1(path string, report func(error)) (t *state.Tables, rows int) {
	f, err := bolt.Read(path)
	if err != nil {
		report(err)
		return state.Verify(func(func(journal.Entry) bool) {}, report)
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
