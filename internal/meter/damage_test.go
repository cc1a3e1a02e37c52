package meter

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// count returns the number of points that a store reads for each metric.
func count(t *testing.T, dir string, metrics int) (found []int) {
	t.Helper()
	s := open(t, dir, Limits{})
	for i := range metrics {
		got, err := s.Read(metric(string(rune('0'+i))), "Percent", begin, begin.Add(48*time.Hour), time.Minute)
		if err != nil {
			t.Fatal(err)
		}
		found = append(found, len(got))
	}
	return found
}

// Issue 9: berth check finds a changed byte, and only the points of the block with that byte are lost.
func TestEveryDamagedByteIsSeen(t *testing.T) {
	const metrics, minutes = 3, 12
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	l := newLoad(metrics, 2)
	l.run(t, s, begin, minutes, 1)
	later := begin.Add(5 * time.Hour)
	for _, now := range []time.Time{begin.Add(time.Hour), later} { // the points so far are moved to a segment
		if err := s.Tick(now); err != nil {
			t.Fatal(err)
		}
	}
	l.run(t, s, later, minutes, 1) // these points are in logs
	if err := s.Close(later.Add(time.Hour)); err != nil {
		t.Fatal(err)
	}
	for _, n := range count(t, dir, metrics) {
		if n != 2*minutes {
			t.Fatalf("%d points", n)
		}
	}
	files, _ := filepath.Glob(filepath.Join(dir, "*"))
	seen := map[string]bool{}
	for _, path := range files {
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		seen[filepath.Ext(path)] = len(whole) > 0
		for at := range whole {
			if len(whole) > 600 && at%5 != 0 {
				continue
			}
			text := append([]byte(nil), whole...)
			text[at] ^= 1 << (at % 8)
			if err := os.WriteFile(path, text, 0o600); err != nil {
				t.Fatal(err)
			}
			reports := 0
			if _, err := Check(dir, func(error) { reports++ }); err != nil || reports == 0 {
				t.Fatalf("byte %d of %s changed: Check reports %d faults, %v", at, filepath.Base(path), reports, err)
			}
			if at%25 == 0 {
				lost(t, path, at, count(t, dir, metrics), 2*minutes)
			}
			if err := os.WriteFile(path, whole, 0o600); err != nil {
				t.Fatal(err)
			}
		}
	}
	if !seen[".seg"] || !seen[".log"] || !seen[".copy"] {
		t.Errorf("files %v", files)
	}
}

// lost checks that at most one block is missing: in a segment the points of one metric, in a log those of one
// minute.
func lost(t *testing.T, path string, at int, found []int, want int) {
	t.Helper()
	hit := 0
	for _, n := range found {
		if n < want {
			hit++
		}
		if strings.HasSuffix(path, ".log") && n < want-1 {
			t.Fatalf("byte %d of %s was changed: %v points are left", at, filepath.Base(path), found)
		}
	}
	name := filepath.Base(path)
	if strings.HasSuffix(name, ".seg") && hit > 1 || strings.HasPrefix(name, "names") && hit > 0 {
		t.Fatalf("byte %d of %s was changed: %v points are left", at, filepath.Base(path), found)
	}
}
