package checkpoint_test

import (
	"bytes"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"go.etcd.io/bbolt"
	"pgregory.net/rapid"

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
	if _, err := checkpoint.Open(dir, slog.New(slog.DiscardHandler)); !errors.Is(err, checkpoint.ErrInUse) {
		t.Errorf("a second agent: %v", err)
	}
}

func open(t testing.TB, dir string) *checkpoint.Store {
	t.Helper()
	s, _ := openLogged(t, dir)
	return s
}

// openLogged opens a checkpoint, and also returns what was logged.
func openLogged(t testing.TB, dir string) (*checkpoint.Store, string) {
	t.Helper()
	var logged bytes.Buffer
	s, err := checkpoint.Open(dir, slog.New(slog.NewTextHandler(&logged, nil)))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s, logged.String()
}

// everything returns the whole content of a store, by bucket and key.
func everything(t testing.TB, s *checkpoint.Store) map[string]string {
	t.Helper()
	all := map[string]string{}
	for _, bucket := range []string{checkpoint.Agent, checkpoint.Tasks, checkpoint.Logs, checkpoint.Images} {
		err := s.Each(bucket, func(key string, decode func(any) error) error {
			var v string
			err := decode(&v)
			all[bucket+"/"+key] = v
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// filled returns a directory whose copies have a base and later writes, and their content.
func filled(t testing.TB) (dir string, want map[string]string) {
	t.Helper()
	dir = t.TempDir()
	put := func(s *checkpoint.Store, bucket, key, v string) {
		if err := s.Put(bucket, key, v); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, dir)
	put(s, checkpoint.Agent, checkpoint.Name, "mi-1")
	put(s, checkpoint.Tasks, "gone", "was here")
	put(s, checkpoint.Tasks, "a", "first")
	s.Close()
	os.Remove(filepath.Join(dir, "checkpoint.2")) // so that the next writes go to both
	s = open(t, dir)
	if err := s.Delete(checkpoint.Tasks, "gone"); err != nil {
		t.Fatal(err)
	}
	put(s, checkpoint.Tasks, "a", "second")
	put(s, checkpoint.Tasks, "b", "line\nfeed")
	put(s, checkpoint.Logs, "c", "position")
	want = everything(t, s)
	s.Close()
	return dir, want
}

// copies returns the paths of the two files.
func copies(dir string) [2]string {
	return [2]string{filepath.Join(dir, "checkpoint.1"), filepath.Join(dir, "checkpoint.2")}
}

func write(t testing.TB, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// If any byte of one copy is changed, or the copy is cut to any length, or lost, then no content is lost, the log has a
// warning, and both copies are whole again afterwards.
func TestDamageOfOneCopyLosesNothing(t *testing.T) {
	dir, want := filled(t)
	whole, err := os.ReadFile(copies(dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	check := func(what string) {
		t.Helper()
		s, logged := openLogged(t, dir)
		if got := everything(t, s); !maps.Equal(got, want) || !strings.Contains(logged, "level=WARN") {
			t.Fatalf("%s: %v, want %v; the log says %q", what, got, want, logged)
		}
		s.Close()
		s, logged = openLogged(t, dir)
		if got := everything(t, s); !maps.Equal(got, want) || logged != "" {
			t.Fatalf("%s, opened again: %v, the log says %q", what, got, logged)
		}
		s.Close()
	}
	for i := range 2 {
		reset := func() {
			for _, path := range copies(dir) {
				write(t, path, whole)
			}
		}
		for at := range whole {
			reset()
			harmed := bytes.Clone(whole)
			harmed[at] ^= 1 << (at % 8)
			write(t, copies(dir)[i], harmed)
			check(fmt.Sprintf("copy %d, byte %d", i, at))
			if at%7 != 0 {
				continue
			}
			reset()
			write(t, copies(dir)[i], whole[:at])
			check(fmt.Sprintf("copy %d cut to %d bytes", i, at))
		}
		reset()
		if err := os.Remove(copies(dir)[i]); err != nil {
			t.Fatal(err)
		}
		check(fmt.Sprintf("copy %d removed", i))
	}
}

// If regions of both copies are damaged, either no content is lost, or the copies are set aside, the log has an error,
// and only the agent's name is kept. Wrong content is never read.
func TestDamageOfBothCopies(t *testing.T) {
	dir, want := filled(t)
	whole, err := os.ReadFile(copies(dir)[0])
	if err != nil {
		t.Fatal(err)
	}
	kept, anew := 0, 0
	rapid.Check(t, func(r *rapid.T) {
		for _, path := range copies(dir) {
			harmed := bytes.Clone(whole)
			from := rapid.IntRange(0, len(whole)).Draw(r, "from")
			to := rapid.IntRange(from, len(whole)).Draw(r, "to")
			copy(harmed[from:to], rapid.SliceOfN(rapid.Byte(), to-from, to-from).Draw(r, "bytes"))
			write(t, path, harmed)
			os.Remove(path + ".damaged")
		}
		s, logged := openLogged(t, dir)
		got := everything(t, s)
		s.Close()
		name := got["agent/name"]
		switch {
		case maps.Equal(got, want):
			kept++
		case !strings.Contains(logged, "level=ERROR") || len(got) > 1 || name != "" && name != "mi-1":
			// If both copies have lost their end, the rest is read: it looks as if the last writes had not happened.
			prefix := len(got) < len(want) || got["tasks/a"] == "first"
			if !prefix || strings.Contains(logged, "level=ERROR") {
				r.Fatalf("%v, want %v; the log says %q", got, want, logged)
			}
		default:
			anew++
			for _, path := range copies(dir) {
				if _, err := os.Stat(path + ".damaged"); err != nil {
					r.Fatal(err)
				}
			}
		}
	})
	if kept == 0 || anew == 0 {
		t.Errorf("read %d times, set aside %d times: the test does not cover both", kept, anew)
	}
	for _, path := range copies(dir) {
		write(t, path, nil)
	}
	s, logged := openLogged(t, dir)
	if got := everything(t, s); len(got) != 0 || !strings.Contains(logged, "level=ERROR") {
		t.Errorf("both empty: %v %q", got, logged)
	}
}

// The size of the files is limited by their content, however much was written.
func TestFilesStaySmall(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir)
	long := strings.Repeat("x", 20_000)
	for i := range 100 {
		if err := s.Put(checkpoint.Tasks, "a", long+fmt.Sprint(i)); err != nil {
			t.Fatal(err)
		}
	}
	want := everything(t, s)
	s.Close()
	for _, path := range copies(dir) {
		if info, err := os.Stat(path); err != nil || info.Size() > 400_000 {
			t.Errorf("%v %v", info.Size(), err)
		}
	}
	if got := everything(t, open(t, dir)); !maps.Equal(got, want) {
		t.Error("after reopening, the content is different")
	}
}

// The checkpoint of an earlier version is read. If it is damaged or too short, the agent still starts.
func TestCheckpointOfAnEarlierVersion(t *testing.T) {
	old := filepath.Join(t.TempDir(), "agent.db")
	db, err := bbolt.Open(old, 0o600, nil)
	if err != nil {
		t.Fatal(err)
	}
	err = db.Update(func(tx *bbolt.Tx) error {
		for _, bucket := range []string{checkpoint.Agent, checkpoint.Tasks, checkpoint.Logs, checkpoint.Images} {
			b, err := tx.CreateBucket([]byte(bucket))
			for i := range 50 {
				err = errors.Join(err,
					b.Put(fmt.Appendf(nil, "key %d", i), fmt.Appendf(nil, `"value of %s %d"`, bucket, i)))
			}
			if err != nil {
				return err
			}
		}
		return nil
	})
	if err := errors.Join(err, db.Close()); err != nil {
		t.Fatal(err)
	}
	whole, err := os.ReadFile(old)
	if err != nil {
		t.Fatal(err)
	}
	taken := func(content []byte) (map[string]string, string) {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "agent.db"), content)
		s, logged := openLogged(t, dir)
		defer s.Close()
		if _, err := os.Stat(filepath.Join(dir, "agent.db")); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("agent.db is still there: %v", err)
		}
		return everything(t, s), logged
	}
	if got, logged := taken(whole); len(got) != 200 || got["tasks/key 7"] != "value of tasks 7" || logged != "" {
		t.Errorf("%d values, %q, the log says %q", len(got), got["tasks/key 7"], logged)
	}
	aside := 0
	for at := 0; at < len(whole); at += 512 {
		for _, harm := range []string{"cut", "zeros", "ones"} {
			harmed := bytes.Clone(whole)
			region := harmed[at:min(at+512, len(whole))]
			switch harm {
			case "cut":
				harmed = harmed[:at]
			case "zeros":
				clear(region)
			case "ones":
				copy(region, bytes.Repeat([]byte{0xff}, len(region)))
			}
			if _, logged := taken(harmed); strings.Contains(logged, "level=ERROR") {
				aside++
			}
		}
	}
	if aside == 0 {
		t.Error("the damage was not found")
	}
	t.Logf("%d times set aside", aside)
}
