package server

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// lostNothing refuses a data directory that has been used and lacks its state or its keys: new ones
// would take the place of those that are missing.
func lostNothing(dir string) error {
	state, err := file.Exists(dir)
	if err != nil {
		return err
	}
	_, _, err = config.Credentials(dir)
	switch keyless := errors.Is(err, fs.ErrNotExist); {
	case state && keyless:
		return lost(dir, "its keys (credentials.json) are")
	case !state && used(dir):
		return lost(dir, "its state ("+file.GuardFile+" and "+file.JournalFile+") is")
	}
	return nil
}

// used tells whether a server has ever been started on the directory.
func used(dir string) bool {
	for _, part := range []string{"registry", "logs", "instances"} {
		if _, err := os.Stat(filepath.Join(dir, part)); err == nil {
			return true
		}
	}
	return false
}

func lost(dir, what string) error {
	return fmt.Errorf("the data directory %s has been used before, but %s missing: restore a backup (berth restore), "+
		"or remove the whole directory to start anew", dir, what)
}
