package docker_test

import (
	"bytes"
	"context"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	agentengine "github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
	"github.com/berthhq/berth/internal/agent/runtime/runtimetest"
)

// engine returns Docker. Without Docker it skips the test.
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
	if err := e.Import(t.Context(), image, bytes.NewReader(runtimetest.SpecimenRootFS(t)),
		[]string{"/specimen"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveImage(context.WithoutCancel(t.Context()), image); err != nil {
			t.Error(err)
		}
	})
	runtimetest.Run(t, runtimetest.Subject{Runtime: e, Image: image, Prefix: "berth-runtimetest"})
}

// A container's output is read byte for byte, even where the engine cuts a long line within a character, with
// and without a terminal.
func TestLongLinesComeBack(t *testing.T) {
	e := engine(t)
	const image, characters = "berth-longlines:1", 300_000
	if err := e.Import(t.Context(), image, bytes.NewReader(runtimetest.SpecimenRootFS(t)),
		[]string{"/specimen"}); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := e.RemoveImage(context.WithoutCancel(t.Context()), image); err != nil {
			t.Error(err)
		}
	})
	want := strings.Repeat(strings.Repeat("\u65e5", characters)+"\n", 2) + strings.Repeat("x", characters) + "\n"
	for name, config := range map[string]string{"without a terminal": "", "with a terminal": `{"Tty":true}`} {
		t.Run(name, func(t *testing.T) {
			id, err := e.Create(t.Context(), runtime.Spec{
				Name: "berth-longlines", Image: image, Command: []string{"long", strconv.Itoa(characters)},
				Config: config, Log: agentengine.ReadableLog(),
				Network: runtime.Attachment{Network: runtime.NetworkNone},
			})
			if err != nil {
				t.Fatal(err)
			}
			defer e.Remove(context.WithoutCancel(t.Context()), id)
			if err := e.Start(t.Context(), id); err != nil {
				t.Fatal(err)
			}
			var got bytes.Buffer
			entries := 0
			for entry, err := range e.Logs(t.Context(), id, time.Time{}, true) {
				if err != nil {
					t.Fatalf("%.200s", err)
				}
				got.Write(entry.Text)
				entries++
			}
			text := strings.ReplaceAll(got.String(), "\r\n", "\n") // a terminal writes \r\n
			if text != want || entries < 3*characters/(16<<10) {
				t.Errorf("%d bytes in %d entries, want %d; valid %t", len(text), entries, len(want),
					utf8.ValidString(text))
			}
		})
	}
}
