package backup_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/backup"
	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/test/upgrade"
)

// running is a data directory that is in use.
type running struct {
	dir   string
	store *state.Store
	src   backup.Source
}

func open(t *testing.T, dir string) *running {
	t.Helper()
	j, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	store, err := state.Open(t.Context(), j, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	blobs, err := blob.Open(filepath.Join(dir, "registry"))
	if err != nil {
		t.Fatal(err)
	}
	return &running{dir, store, backup.Source{Dir: dir, State: j.Copy, Blobs: blobs.Freeze}}
}

func (r *running) backup(t *testing.T) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := backup.Write(t.Context(), &b, r.src, time.Unix(1, 0)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func check(t *testing.T, dir string) (found backup.Checked, damage []string) {
	t.Helper()
	found, err := backup.Check(dir, func(err error) { damage = append(damage, err.Error()) })
	if err != nil {
		t.Fatal(err)
	}
	return found, damage
}

// A restored directory has the state, keys, logs, images and instances of the one that was backed up while in use.
func TestBackupAndRestore(t *testing.T) {
	r := open(t, upgrade.Format1(t))
	address := filepath.Join(r.dir, config.AddressFile)
	if err := os.WriteFile(address, []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	saved := r.backup(t)
	if err := os.Remove(address); err != nil {
		t.Fatal(err)
	}
	left, err := filepath.Glob(filepath.Join(r.dir, ".backup-*"))
	if err != nil || len(left) > 0 {
		t.Errorf("the backup left %v, %v", left, err)
	}
	to := filepath.Join(t.TempDir(), "restored")
	if err := backup.Restore(bytes.NewReader(saved), to); err != nil {
		t.Fatal(err)
	}
	found, damage := check(t, to)
	if len(damage) > 0 || found.Format != "2" || found.Events != 5 || found.Blobs != 3 || found.Rows < 20 {
		t.Errorf("restored: %+v, damage %q", found, damage)
	}
	sameFiles(t, r.dir, to)
	if _, err := os.Stat(filepath.Join(to, config.AddressFile)); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("commands on the restored directory would reach the server of the other: %v", err)
	}
	restored := open(t, to)
	for task := range r.store.View().Tasks.All() {
		if got, ok := restored.store.View().Tasks.Get(task.TaskARN); !ok || got.LastStatus != task.LastStatus {
			t.Errorf("task %s is %+v", task.TaskARN, got)
		}
	}
	if a, b := r.store.View().Rev, restored.store.View().Rev; a != b {
		t.Errorf("revision %d, want %d", b, a)
	}
}

// sameFiles compares everything but the journal, which is a copy with a head of its own.
func sameFiles(t *testing.T, want, got string) {
	t.Helper()
	err := filepath.WalkDir(want, func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || d.Name() == file.JournalFile {
			return err
		}
		name, err := filepath.Rel(want, path)
		if err != nil {
			return err
		}
		a, errA := os.ReadFile(path)
		b, errB := os.ReadFile(filepath.Join(got, name))
		if err := errors.Join(errA, errB); err != nil || !bytes.Equal(a, b) {
			t.Errorf("%s differs: %v", name, err)
		}
		was, errA := os.Stat(path)
		is, errB := os.Stat(filepath.Join(got, name))
		if err := errors.Join(errA, errB); err != nil || was.Mode() != is.Mode() {
			t.Errorf("mode of %s: %v", name, err)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

// Backups while updates go on: each has whole updates only, and all that were answered before it began.
func TestBackupWhileWriting(t *testing.T) {
	r := open(t, upgrade.Format1(t))
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error)
	go func() {
		for n := 1; ctx.Err() == nil; n++ {
			err := r.store.Update(context.Background(), func(tx *state.Tx) error {
				tx.Services.Put(&ecs.Service{
					ServiceARN: "counted", DesiredCount: n, ServiceName: strings.Repeat("x", 10_000),
				})
				tx.Clusters.Put(&ecs.Cluster{ClusterARN: "counted", Status: strconv.Itoa(n)})
				return nil
			})
			if err == nil && n%20 == 0 {
				err = r.store.Compact(context.Background())
			}
			if err != nil {
				done <- err
				return
			}
		}
		done <- nil
	}()
	for range 5 {
		before := r.store.View().Rev
		to := filepath.Join(t.TempDir(), "restored")
		if err := backup.Restore(bytes.NewReader(r.backup(t)), to); err != nil {
			t.Fatal(err)
		}
		restored := open(t, to)
		v := restored.store.View()
		s, _ := v.Services.Get("counted")
		c, _ := v.Clusters.Get("counted")
		if v.Rev < before || (s == nil) != (c == nil) || s != nil && strconv.Itoa(s.DesiredCount) != c.Status {
			t.Errorf("revision %d after %d, with half an update: %v, %v", v.Rev, before, s, c)
		}
		restored.store.Close()
	}
	stop()
	if err := <-done; err != nil {
		t.Error(err)
	}
}

func TestRestoreRefuses(t *testing.T) {
	r := open(t, upgrade.Format1(t))
	saved := r.backup(t)
	t.Run("a directory that is not empty", func(t *testing.T) {
		dir := t.TempDir()
		mine := filepath.Join(dir, "mine")
		if err := os.WriteFile(mine, []byte("mine"), 0o600); err != nil {
			t.Fatal(err)
		}
		if err := backup.Restore(bytes.NewReader(saved), dir); err == nil ||
			!strings.Contains(err.Error(), "not empty") {
			t.Errorf("%v", err)
		}
		if got, err := os.ReadFile(mine); err != nil || string(got) != "mine" {
			t.Errorf("%q, %v", got, err)
		}
	})
	refused := func(t *testing.T, content []byte) {
		t.Helper()
		dir := t.TempDir()
		if err := backup.Restore(bytes.NewReader(content), dir); err == nil {
			t.Fatal("restored")
		}
		if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
			t.Fatalf("left %v, %v", left, err)
		}
	}
	t.Run("a backup that was cut short", func(t *testing.T) {
		for size := 0; size < len(saved)-1500; size += len(saved)/23 + 7 {
			refused(t, saved[:size])
		}
	})
	t.Run("a backup that has changed", func(t *testing.T) {
		for at := 600; at < len(saved)-3000; at += len(saved)/23 + 7 {
			harmed := bytes.Clone(saved)
			harmed[at] ^= 1
			dir := t.TempDir()
			if backup.Restore(bytes.NewReader(harmed), dir) == nil { // it was in the padding of the tar file
				sameFiles(t, r.dir, dir)
			}
		}
	})
}

// A directory that a server has open is refused, and named once.
func TestCheckOfADirectoryInUse(t *testing.T) {
	r := open(t, t.TempDir())
	_, err := backup.Check(r.dir, func(error) {})
	if want := r.dir + ": in use by another process; stop the server first"; err == nil || err.Error() != want {
		t.Errorf("Check = %v, want %s", err, want)
	}
}

// A blob that an image consists of and that is not there is damage.
func TestCheckFindsMissingBlobs(t *testing.T) {
	dir := upgrade.Format1(t)
	blobs, err := filepath.Glob(filepath.Join(dir, "registry/blobs/sha256/*/*"))
	if err != nil || len(blobs) == 0 {
		t.Fatal(blobs, err)
	}
	for _, path := range blobs {
		if err := os.Remove(path); err != nil {
			t.Fatal(err)
		}
	}
	found, damage := check(t, dir)
	if len(damage) != len(blobs) || found.Blobs != 0 {
		t.Errorf("%+v, %q, want %d places", found, damage, len(blobs))
	}
	for _, path := range blobs {
		want := fmt.Sprintf("%s has no blob with digest sha256:%s, which an image consists of",
			filepath.Join(dir, "registry"), filepath.Base(path))
		if !slices.Contains(damage, want) {
			t.Errorf("%q does not say %q", damage, want)
		}
	}
}

// Check names each kind of damage, and finds none where there is none.
func TestCheckFindsDamage(t *testing.T) {
	r := open(t, upgrade.Format1(t))
	if err := r.store.Close(); err != nil {
		t.Fatal(err)
	}
	if found, damage := check(t, r.dir); len(damage) > 0 || found.Rows < 20 {
		t.Errorf("%+v, %q", found, damage)
	}
	if found, damage := check(t, upgrade.Format1(t)); len(damage) > 0 || found.Format != "1" || found.Rows < 20 {
		t.Errorf("format 1: %+v, %q", found, damage)
	}
	var harmed []string
	for _, pattern := range []string{file.JournalFile, "logs/*/*.seg", "registry/blobs/sha256/e3/*"} {
		paths, err := filepath.Glob(filepath.Join(r.dir, pattern))
		if err != nil || len(paths) == 0 {
			t.Fatal(pattern, err)
		}
		content, err := os.ReadFile(paths[0])
		if err != nil {
			t.Fatal(err)
		}
		content[min(9000, 100)] ^= 4
		if pattern == file.JournalFile {
			content[100] ^= 4
			content[9000] ^= 4
		}
		if err := os.WriteFile(paths[0], content, 0o600); err != nil {
			t.Fatal(err)
		}
		harmed = append(harmed, paths[0])
	}
	found, damage := check(t, r.dir)
	if len(damage) != len(harmed) || found.Rows == 0 {
		t.Errorf("%+v, %q; want %d places, and the rows behind the damage", found, damage, len(harmed))
	}
	for i := range min(len(damage), len(harmed)) {
		if !strings.HasPrefix(damage[i], harmed[i]+" is damaged") {
			t.Errorf("%q, want one about %s", damage[i], harmed[i])
		}
	}
}
