package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/state/journal/file"
)

// A data directory that lost its state or its keys never begins anew in silence.
func TestDirectoryThatLostAPart(t *testing.T) {
	for _, lost := range [][]string{
		{file.GuardFile, file.JournalFile}, {file.JournalFile}, {"credentials.json"},
	} {
		dir := t.TempDir()
		cfg := Config{Data: dir, Listen: "127.0.0.1:0", EdgeAddr: "127.0.0.1", Region: "us-east-1", Account: "123456789012"}
		s, err := New(t.Context(), cfg)
		if err != nil {
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		if s, err = New(t.Context(), cfg); err != nil { // with all there is it starts again
			t.Fatal(err)
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
		for _, name := range lost {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
		s, err = New(t.Context(), cfg)
		if err == nil {
			s.Close()
		}
		if err == nil || !strings.Contains(err.Error(), dir) || !strings.Contains(err.Error(), "missing") {
			t.Errorf("without %v: %v", lost, err)
		}
	}
}
