package registry

import (
	"crypto/rand"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/budget"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/repository"
)

// When the disk is full, writes are refused with a clear error, reads work, and nothing is corrupted (issue 2, section
// 9).
func TestDiskFull(t *testing.T) {
	dir := t.TempDir()
	err := syscall.Mount("tmpfs", dir, "tmpfs", 0, "size=1m")
	need(t, err == nil, "the right to mount a small tmpfs")
	defer syscall.Unmount(dir, 0)
	r := newRig(t, nil)
	if r.blobs, err = blob.Open(dir); err != nil {
		t.Fatal(err)
	}
	r.create(t, region, "chat", repository.Mutable)

	upload := func(content string) (int, string) {
		resp, body := r.request(t, "POST", "/v2/chat/blobs/uploads/?digest="+blob.Digest([]byte(content)), nil, content)
		return resp.StatusCode, body
	}
	if code, body := upload("small"); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	big := make([]byte, 2<<20)
	rand.Read(big)
	if code, body := upload(string(big)); code != 507 ||
		!strings.Contains(body, "no space left on the registry's disk") {
		t.Errorf("too much: %d %s", code, body)
	}
	begun, _ := r.request(t, "POST", "/v2/chat/blobs/uploads/", nil, "")
	at, err := begun.Location()
	if err != nil {
		t.Fatal(err)
	}
	if resp, body := r.request(t, "PUT",
		at.Path+"?digest="+blob.Digest(big), nil, string(big)); resp.StatusCode != 507 ||
		!strings.Contains(body, "no space left on the registry's disk") {
		t.Errorf("too much for an upload that was begun: %s %s", resp.Status, body)
	}
	if resp, body := r.request(t, "GET", "/v2/chat/blobs/"+blob.Digest([]byte("small")), nil,
		""); resp.StatusCode != 200 || body != "small" {
		t.Errorf("reading: %s %q", resp.Status, body)
	}
	left, err := os.ReadDir(filepath.Join(dir, "uploads"))
	if err != nil || len(left) != 0 {
		t.Errorf("%d unfinished uploads use up the space: %v", len(left), err)
	}
	if code, body := upload(string(big[:512<<10])); code != 201 {
		t.Errorf("a push that fits, after there is room again: %d %s", code, body)
	}
}

// Over the disk budget, a push is denied with the registry's own error, uses no space, and changes no image.
func TestDiskBudget(t *testing.T) {
	r := newRig(t, nil)
	r.blobs.Limit(budget.New(t.TempDir(), 100_000, budget.Part{Name: "images", Used: r.blobs.Used}).TakeAlone)
	r.create(t, region, "chat", repository.Mutable)
	upload := func(content string) (int, string) {
		resp, body := r.request(t, "POST", "/v2/chat/blobs/uploads/?digest="+blob.Digest([]byte(content)), nil, content)
		return resp.StatusCode, body
	}
	if code, body := upload(strings.Repeat("a", 60_000)); code != 201 {
		t.Fatalf("%d %s", code, body)
	}
	if code, body := upload(strings.Repeat("b", 60_000)); code != 403 ||
		!strings.Contains(body, `"DENIED"`) || !strings.Contains(body, "--disk-budget") {
		t.Errorf("over the budget: %d %s", code, body)
	}
	if used := r.blobs.Used(); used != 60_000 {
		t.Errorf("%d bytes are used", used)
	}
	if code, body := upload(strings.Repeat("c", 20_000)); code != 201 {
		t.Errorf("a push that fits: %d %s", code, body)
	}
	if code, body := upload(strings.Repeat("a", 60_000)); code != 403 && code != 201 {
		t.Errorf("what is there already: %d %s", code, body)
	}
	if used := r.blobs.Used(); used != 80_000 {
		t.Errorf("%d bytes are used", used)
	}
}
