// Package checkpoint keeps what an agent must not forget when it dies: which
// container instance it is, the tasks it was given and how far each got, how
// much of each container's log has been shipped.
//
// A Store is one bbolt file in the agent's data directory. Every write is on disk
// when it returns. It is safe for concurrent use and starts no goroutine; two
// agents cannot open the same file. Values are JSON; the store does not know what
// they mean.
package checkpoint

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"go.etcd.io/bbolt"
	berrors "go.etcd.io/bbolt/errors"
)

// Buckets of a Store.
const (
	Agent  = "agent"  // one value per key of the agent itself
	Tasks  = "tasks"  // by task ARN
	Logs   = "logs"   // by container id
	Images = "images" // by image id
)

// ErrInUse means that another agent uses the data directory.
var ErrInUse = errors.New("another agent uses this data directory")

// Store is an open checkpoint.
type Store struct{ db *bbolt.DB }

// Open opens the checkpoint in the directory dir, making both if missing.
func Open(dir string) (*Store, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	db, err := bbolt.Open(filepath.Join(dir, "agent.db"), 0o600, &bbolt.Options{Timeout: time.Second})
	if errors.Is(err, berrors.ErrTimeout) {
		return nil, fmt.Errorf("%s: %w", dir, ErrInUse)
	}
	if err != nil {
		return nil, fmt.Errorf("checkpoint in %s: %w", dir, err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, bucket := range []string{Agent, Tasks, Logs, Images} {
			if _, err := tx.CreateBucketIfNotExists([]byte(bucket)); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, errors.Join(err, db.Close())
	}
	return &Store{db}, nil
}

// Close closes the file.
func (s *Store) Close() error { return s.db.Close() }

// Put writes v under the key.
func (s *Store) Put(bucket, key string, v any) error {
	data, err := json.Marshal(v)
	if err != nil {
		return fmt.Errorf("checkpoint of %s: %w", key, err)
	}
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Put([]byte(key), data) })
}

// Get reads the key into v and reports whether it is there.
func (s *Store) Get(bucket, key string, v any) (bool, error) {
	found := false
	err := s.db.View(func(tx *bbolt.Tx) error {
		data := tx.Bucket([]byte(bucket)).Get([]byte(key))
		if found = data != nil; !found {
			return nil
		}
		return json.Unmarshal(data, v)
	})
	return found, err
}

// Delete forgets the key.
func (s *Store) Delete(bucket, key string) error {
	return s.db.Update(func(tx *bbolt.Tx) error { return tx.Bucket([]byte(bucket)).Delete([]byte(key)) })
}

// Each calls fn with every key of the bucket in order; decode reads the value.
func (s *Store) Each(bucket string, fn func(key string, decode func(v any) error) error) error {
	return s.db.View(func(tx *bbolt.Tx) error {
		return tx.Bucket([]byte(bucket)).ForEach(func(k, data []byte) error {
			return fn(string(k), func(v any) error { return json.Unmarshal(data, v) })
		})
	})
}
