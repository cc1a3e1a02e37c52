package main

import (
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

func TestBadSettings(t *testing.T) {
	for _, env := range []map[string]string{{"PORT": "http"}, {"PORT": "70000"}, {"REDIS_ENDPOINT": "localhost:6379"}} {
		if err := run(t.Context(), func(k string) string { return env[k] }, slog.New(slog.DiscardHandler)); err == nil {
			t.Errorf("%v is accepted", env)
		}
	}
}

// Both servers have the same page.
func TestPagesAreTheSame(t *testing.T) {
	files, err := os.ReadDir("page")
	if err != nil || len(files) == 0 {
		t.Fatal(err)
	}
	for _, f := range files {
		a, err := os.ReadFile(filepath.Join("page", f.Name()))
		if err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join("..", "chat-node", "page", f.Name()))
		if err != nil || string(a) != string(b) {
			t.Errorf("page/%s differs from ../chat-node/page/%s: %v", f.Name(), f.Name(), err)
		}
	}
}
