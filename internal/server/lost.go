package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// lostNothing returns an error for a data directory that was used before and has no state or no keys: the
// server would create new ones in place of the lost ones.
func (s *Server) lostNothing(dir string) error {
	state, err := file.Exists(dir)
	if err != nil {
		return err
	}
	_, _, err = config.Credentials(dir)
	switch keyless := errors.Is(err, fs.ErrNotExist); {
	case state && keyless:
		return lost(dir, "its keys (credentials.json) are")
	case !state && s.used(dir):
		return lost(dir, "its state ("+file.GuardFile+" and "+file.JournalFile+") is")
	}
	return nil
}

// used reports whether a server has ever run on the directory. Keys alone do not prove that: an interrupted
// first start leaves them.
func (s *Server) used(dir string) bool {
	for _, p := range s.parts() {
		if slices.Contains([]string{"data", "state", "authority"}, p.name) {
			continue
		}
		for _, name := range p.stores {
			if _, err := os.Stat(filepath.Join(dir, name)); err == nil {
				return true
			}
		}
	}
	return false
}

func lost(dir, what string) error {
	return fmt.Errorf("the data directory %s has been used before, but %s missing: restore a backup (berth restore), "+
		"or remove the whole directory to start anew", dir, what)
}
