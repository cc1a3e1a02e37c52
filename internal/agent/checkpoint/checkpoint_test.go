package checkpoint_test

import (
	"errors"
	"testing"

	"github.com/berthhq/berth/internal/agent/checkpoint"
)

func TestWhatWasPutIsThereAfterReopening(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	for _, key := range []string{"b", "a", "c"} {
		if err := s.Put(checkpoint.Tasks, key, map[string]string{"is": key}); err != nil {
			t.Fatal(err)
		}
	}
	if err := s.Delete(checkpoint.Tasks, "b"); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir)
	var keys []string
	err := s.Each(checkpoint.Tasks, func(key string, decode func(any) error) error {
		var v map[string]string
		if err := decode(&v); err != nil || v["is"] != key {
			t.Errorf("%s is %v (%v)", key, v, err)
		}
		keys = append(keys, key)
		return nil
	})
	if err != nil || len(keys) != 2 || keys[0] != "a" || keys[1] != "c" {
		t.Errorf("keys %v, %v", keys, err)
	}
	if found, err := s.Get(checkpoint.Tasks, "b", nil); err != nil || found {
		t.Errorf("a deleted key: %v, %v", found, err)
	}
}

func TestOneAgentPerDirectory(t *testing.T) {
	dir := t.TempDir()
	open(t, dir)
	if _, err := checkpoint.Open(dir); !errors.Is(err, checkpoint.ErrInUse) {
		t.Errorf("a second agent: %v", err)
	}
}

func open(t *testing.T, dir string) *checkpoint.Store {
	t.Helper()
	s, err := checkpoint.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}
