package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// A server does not start with a state that was copied from another data directory. The error names the state and the
// keys.
func TestStateOfAnotherDirectory(t *testing.T) {
	var dirs [2]string
	for i := range dirs {
		dirs[i] = t.TempDir()
		startAndStop(t, dirs[i])
	}
	copied := filepath.Join(dirs[1], file.JournalFile)
	content, err := os.ReadFile(filepath.Join(dirs[0], file.JournalFile))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(copied, content, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := New(t.Context(), testConfig(dirs[1]))
	if err == nil {
		s.Close()
	}
	if err == nil || !strings.Contains(err.Error(), copied) ||
		!strings.Contains(err.Error(), filepath.Join(dirs[1], "credentials.json")) {
		t.Errorf("started on the state of another directory: %v", err)
	}
}

func testConfig(dir string) Config {
	return Config{Data: dir, Listen: "127.0.0.1:0", EdgeAddr: "127.0.0.1", Region: "us-east-1", Account: "123456789012"}
}

func startAndStop(t *testing.T, dir string) {
	t.Helper()
	s, err := New(t.Context(), testConfig(dir))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
}

// A data directory without its state or its keys is an error, and never treated as a new one.
func TestDirectoryThatLostAPart(t *testing.T) {
	for _, lost := range [][]string{
		{file.GuardFile, file.JournalFile}, {file.JournalFile}, {"credentials.json"},
		// audit is left
		{file.GuardFile, file.JournalFile, "registry", "logs", "instances", "cache", "block.json", "address.json"},
		{file.GuardFile, file.JournalFile, "registry", "logs", "instances", "cache", "block.json", "audit"},
		{file.GuardFile, file.JournalFile, "registry", "logs", "instances", "cache", "address.json", "audit"},
	} {
		dir := t.TempDir()
		startAndStop(t, dir)
		startAndStop(t, dir) // when everything is there, it starts again
		for _, name := range lost {
			if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		s, err := New(t.Context(), testConfig(dir))
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("without %v: %v", lost, err)
		}
	}
}

// A first start that was interrupted may have made the keys only; the next start continues.
func TestKeysAloneAreNoLoss(t *testing.T) {
	dir := t.TempDir()
	if _, err := config.Open(dir, "123456789012"); err != nil {
		t.Fatal(err)
	}
	startAndStop(t, dir)
}
