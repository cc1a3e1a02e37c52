package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// oldFile is the checkpoint of earlier versions, in bbolt.
const oldFile = "agent.db"

// importOld reads the checkpoint of an earlier version. It sets a damaged one aside and returns nothing.
func importOld(dir string, log *slog.Logger) (map[key]entry, error) {
	path := filepath.Join(dir, oldFile)
	if _, err := os.Stat(path); errors.Is(err, fs.ErrNotExist) {
		return map[key]entry{}, nil
	}
	state, err := readOld(path)
	switch {
	case errors.Is(err, berrors.ErrTimeout):
		return nil, ErrInUse
	case err != nil:
		log.Error("the checkpoint is damaged; it is set aside, and this agent begins anew: it registers as a new "+
			"container instance, and the tasks that it had are stopped", "file", path,
			"setAsideWith", aside, "error", err)
		return map[key]entry{}, os.Rename(path, path+aside)
	}
	return state, nil // Open removes it when it has written the new files
}

// readOld reads the whole file. With damaged pages, bbolt panics or reads invalid memory; both become errors.
func readOld(path string) (state map[key]entry, err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if p := recover(); p != nil {
			state, err = nil, fmt.Errorf("%s is damaged: %v", path, p)
		}
	}()
	db, err := bbolt.Open(path, 0o600, &bbolt.Options{Timeout: time.Second, ReadOnly: true})
	if err != nil {
		return nil, err
	}
	defer db.Close()
	state = map[key]entry{}
	return state, db.View(func(tx *bbolt.Tx) error {
		for _, bucket := range []string{Agent, Tasks, Logs, Images} {
			b := tx.Bucket([]byte(bucket))
			if b == nil {
				continue
			}
			err := b.ForEach(func(name, value []byte) error {
				if !json.Valid(value) {
					return fmt.Errorf("%s is damaged: the value of %q is not JSON", path, name)
				}
				e := entry{Seq: uint64(len(state) + 1), key: key{bucket, string(name)},
					Value: append([]byte{}, value...)}
				e.apply(state)
				return nil
			})
			if err != nil {
				return err
			}
		}
		return nil
	})
}
