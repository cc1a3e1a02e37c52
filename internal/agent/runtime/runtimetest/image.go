package runtimetest

import (
	"archive/tar"
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
)

// SpecimenRootFS builds the specimen program. It returns a tar of a root file system with the program as
// /specimen, and an empty /tmp. An image of it must have the entry point ["/specimen"]. SpecimenRootFS needs
// the go command.
func SpecimenRootFS(t testing.TB) []byte {
	t.Helper()
	binary := filepath.Join(t.TempDir(), "specimen")
	build := exec.Command("go", "build", "-trimpath", "-ldflags=-s -w", "-o", binary,
		"github.com/berthhq/berth/internal/agent/runtime/runtimetest/specimen")
	build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
	if out, err := build.CombinedOutput(); err != nil {
		t.Fatalf("building the specimen: %v\n%s", err, out)
	}
	program, err := os.ReadFile(binary)
	if err != nil {
		t.Fatal(err)
	}
	return rootFS(t, program)
}

func rootFS(t testing.TB, program []byte) []byte {
	var out bytes.Buffer
	w := tar.NewWriter(&out)
	headers := []*tar.Header{
		{Name: "tmp/", Typeflag: tar.TypeDir, Mode: 0o1777},
		{Name: "specimen", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))},
	}
	for _, h := range headers {
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := w.Write(program); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}
