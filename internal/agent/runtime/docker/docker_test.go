package docker_test

import (
	"bytes"
	"context"
	"os"
	"testing"

	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/agent/runtime/runtimetest"
)

// engine returns Docker, or skips without one.
func engine(t *testing.T) *docker.Engine {
	t.Helper()
	e, err := docker.New("")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { e.Close() })
	if _, err := e.Ping(t.Context()); err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatalf("no Docker Engine: %v", err)
		}
		t.Skipf("no Docker Engine: %v", err)
	}
	return e
}

func TestSuite(t *testing.T) {
	e := engine(t)
	const image = "berth-runtimetest:1"
	if err := e.Import(t.Context(), image, bytes.NewReader(runtimetest.SpecimenRootFS(t)), []string{"/specimen"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveImage(context.WithoutCancel(t.Context()), image); err != nil {
			t.Error(err)
		}
	})
	runtimetest.Run(t, runtimetest.Subject{Runtime: e, Image: image, Prefix: "berth-runtimetest"})
}
