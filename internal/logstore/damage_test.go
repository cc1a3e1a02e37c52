package logstore

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// If any byte of a segment is changed, all other batches can be read, and Check names the place.
func TestEveryByteOfASegmentChanged(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	for i := range 5 {
		put(t, s, "a", Entry{int64(i), fmt.Sprint("m", i)})
	}
	s.Close()
	path := filepath.Join(dir, "g", "0000000000000001.seg")
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	start := len(magic) + saltSize
	each := (len(whole) - start) / 5
	for at := start; at < len(whole); at++ {
		for bit := range 8 {
			harmed := bytes.Clone(whole)
			harmed[at] ^= 1 << bit
			if err := os.WriteFile(path, harmed, 0o600); err != nil {
				t.Fatal(err)
			}
			s := open(t, dir, Limits{})
			got, _, err := s.Read("g", Query{})
			lost := fmt.Sprint("m", (at-start)/each)
			want := strings.Join(strings.Fields(strings.Replace("m0 m1 m2 m3 m4", lost, "", 1)), " ")
			if err != nil || messages(got) != want {
				t.Fatalf("byte %d, bit %d: %q %v, want %q", at, bit, messages(got), err, want)
			}
			s.Close()
			if at%5 == 0 {
				found := 0
				events, err := Check(dir, func(err error) { found += strings.Count(err.Error(), path) })
				if err != nil || found != 1 || events != 4 {
					t.Fatalf("byte %d, bit %d: Check found %d places and %d events, %v", at, bit, found, events, err)
				}
			}
			os.Remove(filepath.Join(dir, "g", "0000000000000001.idx"))
		}
	}
}

// A log event whose text looks like records of another stream is never read as such, even if its batch is damaged.
func TestDamageBringsNoForgedEvent(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	forged := (&batch{stream: "b", first: 1, events: []Entry{{1, "forged"}}}).append(nil, 0)
	put(t, s, "a", Entry{1, "before " + string(forged)})
	put(t, s, "a", Entry{2, "after"})
	s.Close()
	path := filepath.Join(dir, "g", "0000000000000001.seg")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	b[len(magic)+saltSize] ^= 4 // the length of the first record
	if err := os.WriteFile(path, b, 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Limits{})
	defer s.Close()
	if got, _, err := s.Read("g", Query{}); err != nil || messages(got) != "after" {
		t.Errorf("%q %v", messages(got), err)
	}
}

// A damaged index is made again from its segment.
func TestDamagedIndex(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Segment: 1})
	put(t, s, "a", Entry{1, "one"})
	put(t, s, "a", Entry{2, "two"})
	s.Close()
	path := filepath.Join(dir, "g", "0000000000000001.idx")
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, bytes.Replace(b, []byte(`"Events":1`), []byte(`"Events":7`), 1), 0o600); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Limits{Segment: 1})
	defer s.Close()
	if st, err := s.Stats("g"); err != nil || st["a"].Events != 2 {
		t.Errorf("%+v %v, want 2 events", st, err)
	}
}

// If segments are missing, cut, copied or exchanged, Check names the file and the offset, a store opens the directory
// and reads the rest, and Check still reports it after the store has written to the directory.
func TestSegmentsThatAreMissingCutDoubledOrExchanged(t *testing.T) {
	for name, c := range map[string]struct {
		harm func(t *testing.T, path func(id int) string)
		want []string // a part of each report; "N" stands for the path of segment N
		// read is what a store reads then. Copies are not read; what stands in another's place is.
		read string
	}{
		"nothing": {func(*testing.T, func(int) string) {}, nil, "m1 m2 m3 m4 m5 m6"},
		"first missing": {remove(1), []string{
			"1 is missing: it had 54 bytes, with the events of numbers 1 to 2",
		}, "m3 m4 m5 m6"},
		"middle missing": {remove(2), []string{
			"2 is missing: it had 54 bytes, with the events of numbers 3 to 4",
		}, "m1 m2 m5 m6"},
		"last missing": {remove(3), []string{"3 is missing: it had the events from number 5 on"}, "m1 m2 m3 m4"},
		"all missing": {func(t *testing.T, path func(int) string) {
			for id := 1; id <= 3; id++ {
				remove(id)(t, path)
			}
		}, []string{"1 is missing", "2 is missing", "3 is missing"}, ""},
		"first cut at a record": {cut(1, 35), []string{
			"1 is damaged: at offset 35: the file ends here and had 54 bytes",
		}, "m1 m3 m4 m5 m6"},
		"first cut to its head": {cut(1, 16), []string{
			"1 is damaged: at offset 16: the file ends here and had 54 bytes",
		}, "m3 m4 m5 m6"},
		"first cut in a record": {cut(1, 45), []string{
			"1 is damaged: at offset 45: the file ends here and had 54 bytes",
		}, "m1 m3 m4 m5 m6"},
		"first cut to nothing": {cut(1, 0), []string{"1 is damaged: at offset 0"}, "m3 m4 m5 m6"},
		"last cut at a record": {cut(3, 35), []string{
			"3 is damaged: at offset 35: the file ends here and had 54 bytes",
		}, "m1 m2 m3 m4 m5"},
		"last cut to its head": {cut(3, 16), []string{
			"3 is damaged: at offset 16: the file ends here and had 54 bytes",
		}, "m1 m2 m3 m4"},
		"last cut in its head": {cut(3, 9), []string{"3 is damaged: at offset 0"}, "m1 m2 m3 m4"},
		"last cut in a record": {cut(3, 45), []string{
			"3 is damaged: at offset 45: the file ends here and had 54 bytes",
		}, "m1 m2 m3 m4 m5"},
		"first doubled behind": {copied(1, 4), []string{
			"4 is damaged: at offset 8: it is a copy of, or stands in the place of, 1",
		}, "m1 m2 m3 m4 m5 m6"},
		"last doubled behind": {copied(3, 4), []string{
			"4 is damaged: at offset 8: it is a copy of, or stands in the place of, 3",
		}, "m1 m2 m3 m4 m5 m6"},
		"first over the second": {copied(1, 2), []string{
			"2 is damaged: at offset 8: it is a copy of, or stands in the place of, 1",
		}, "m1 m1 m2 m2 m5 m6"},
		"first and second exchanged": {exchanged(1, 2),
			[]string{"1 is damaged: at offset 8: it is a copy of, or stands in the place of, 2",
				"2 is damaged: at offset 8: it is a copy of, or stands in the place of, 1"}, "m1 m2 m3 m4 m5 m6"},
		"first and last exchanged": {exchanged(1, 3),
			[]string{"1 is damaged: at offset 8: it is a copy of, or stands in the place of, 3",
				"3 is damaged: at offset 8: it is a copy of, or stands in the place of, 1"}, "m1 m2 m3 m4 m5 m6"},
		"a record doubled": {edited(1, func(b []byte) []byte { return append(b[:35:35], b[16:]...) }),
			[]string{"1 is damaged: at offset 35: the events of numbers 1 to 1 do not come after number " +
				"1, which 1 has"}, "m1 m1 m2 m3 m4 m5 m6"},
		"records exchanged": {edited(1, func(b []byte) []byte { return slices.Concat(b[:16], b[35:54], b[16:35]) }),
			[]string{"1 is damaged: at offset 35: the events of numbers 1 to 1 do not come after number " +
				"2, which 1 has"}, "m1 m2 m3 m4 m5 m6"},
	} {
		t.Run(name, func(t *testing.T) {
			dir := t.TempDir()
			limits := Limits{Segment: 50} // two records
			s := open(t, dir, limits)
			for i := 1; i <= 6; i++ {
				put(t, s, "a", Entry{int64(i), fmt.Sprint("m", i)})
			}
			s.Close()
			path := func(id int) string { return segmentPath(filepath.Join(dir, "g"), uint64(id)) }
			for id := 1; id <= 3; id++ {
				if info, err := os.Stat(path(id)); err != nil || info.Size() != 54 {
					t.Fatalf("segment %d: %v %v, want 54 bytes", id, info, err)
				}
			}
			c.harm(t, path)
			check := func(when string) {
				t.Helper()
				var found []string
				if _, err := Check(dir, func(err error) { found = append(found, err.Error()) }); err != nil {
					t.Fatal(err)
				}
				ok := len(found) == len(c.want)
				for i := range found {
					for id := 1; id <= 4; id++ {
						found[i] = strings.ReplaceAll(found[i], path(id), fmt.Sprint(id))
					}
					ok = ok && strings.HasPrefix(found[i], c.want[i])
				}
				if !ok {
					t.Errorf("%s: found %q, want %q", when, found, c.want)
				}
			}
			check("after the damage")
			s = open(t, dir, limits)
			if got, _, err := s.Read("g", Query{}); err != nil || messages(got) != c.read {
				t.Errorf("read %q %v, want %q", messages(got), err, c.read)
			}
			put(t, s, "a", Entry{7, "m7"})
			put(t, s, "a", Entry{8, "m8"})
			put(t, s, "a", Entry{9, "m9"})
			want := strings.TrimSpace(c.read + " m7 m8 m9")
			if got, _, err := s.Read("g", Query{}); err != nil || messages(got) != want {
				t.Errorf("read %q %v, want %q", messages(got), err, want)
			}
			s.Close()
			check("after a store has written")
		})
	}
}

func remove(id int) func(*testing.T, func(int) string) {
	return func(t *testing.T, path func(int) string) {
		if err := os.Remove(path(id)); err != nil {
			t.Fatal(err)
		}
	}
}

func edited(id int, edit func([]byte) []byte) func(*testing.T, func(int) string) {
	return func(t *testing.T, path func(int) string) {
		b, err := os.ReadFile(path(id))
		if err == nil {
			err = os.WriteFile(path(id), edit(b), 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(strings.TrimSuffix(path(id), ".seg") + ".idx") // it would hide what a store reads of the file
	}
}

func cut(id, size int) func(*testing.T, func(int) string) {
	return edited(id, func(b []byte) []byte { return b[:size] })
}

func copied(from, to int) func(*testing.T, func(int) string) {
	return func(t *testing.T, path func(int) string) {
		b, err := os.ReadFile(path(from))
		if err == nil {
			err = os.WriteFile(path(to), b, 0o600)
		}
		if err != nil {
			t.Fatal(err)
		}
		os.Remove(strings.TrimSuffix(path(to), ".seg") + ".idx")
	}
}

func exchanged(a, b int) func(*testing.T, func(int) string) {
	return func(t *testing.T, path func(int) string) {
		err := errors.Join(os.Rename(path(a), path(9)), os.Rename(path(b), path(a)), os.Rename(path(9), path(b)))
		if err != nil {
			t.Fatal(err)
		}
		for _, id := range []int{a, b} {
			os.Remove(strings.TrimSuffix(path(id), ".seg") + ".idx")
		}
	}
}

// Check names lists and marks that were damaged or removed, and the directory can still be opened.
func TestDamagedMetadata(t *testing.T) {
	for _, name := range []string{listFile, markFile} {
		for _, harm := range []string{"removed", "cut", "changed"} {
			dir := t.TempDir()
			s := open(t, dir, Limits{})
			put(t, s, "a", Entry{1, "one"})
			s.Close()
			path := filepath.Join(dir, "g", name)
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			switch harm {
			case "removed":
				err = os.Remove(path)
			case "cut":
				err = os.WriteFile(path, b[:len(b)/4], 0o600)
			case "changed":
				for i := range b {
					b[i] ^= 1
				}
				err = os.WriteFile(path, b, 0o600)
			}
			if err != nil {
				t.Fatal(err)
			}
			var found []string
			if _, err := Check(dir, func(err error) { found = append(found, err.Error()) }); err != nil {
				t.Fatal(err)
			}
			if len(found) != 1 || !strings.HasPrefix(found[0], path+" is ") {
				t.Errorf("%s %s: %q", name, harm, found)
			}
			s = open(t, dir, Limits{})
			put(t, s, "a", Entry{2, "two"})
			if got, _, err := s.Read("g", Query{}); err != nil || messages(got) != "one two" {
				t.Errorf("%s %s: read %q %v", name, harm, messages(got), err)
			}
			s.Close()
		}
	}
}

// The directory of a version without lists can be opened, is not reported as damaged, and has a list after the next
// write.
func TestDirectoryWithoutMetadata(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Segment: 50})
	for i := 1; i <= 5; i++ {
		put(t, s, "a", Entry{int64(i), fmt.Sprint("m", i)})
	}
	s.Close()
	for _, name := range []string{listFile, markFile} {
		if err := os.Remove(filepath.Join(dir, "g", name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := removeMarker(filepath.Join(dir, "g")); err != nil {
		t.Fatal(err)
	}
	check := func(want int) {
		t.Helper()
		found := 0
		if _, err := Check(dir, func(err error) { found++; t.Log(err) }); err != nil || found != want {
			t.Errorf("%d places, %v; want %d", found, err, want)
		}
	}
	check(0)
	s = open(t, dir, Limits{Segment: 50})
	put(t, s, "a", Entry{6, "m6"})
	s.Close()
	check(0)
	if err := os.Remove(segmentPath(filepath.Join(dir, "g"), 1)); err != nil {
		t.Fatal(err)
	}
	check(1)
}

// Segments that were dropped because of their age or to free space are not reported as missing, and neither is what a
// crash leaves between writing the list and the file.
func TestDroppedSegmentsAreNotMissed(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Segment: 1})
	for i := 1; i <= 5; i++ {
		put(t, s, "a", Entry{int64(i), fmt.Sprint("m", i)})
	}
	left, err := os.ReadFile(segmentPath(filepath.Join(dir, "g"), 2))
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Expire("g", time.UnixMilli(3)); err != nil {
		t.Fatal(err)
	}
	s.MakeRoom(func() bool { return s.Used() < 100 })
	s.Close()
	check := func() {
		t.Helper()
		if _, err := Check(dir, func(err error) { t.Error(err) }); err != nil {
			t.Error(err)
		}
	}
	check()
	if err := os.WriteFile(segmentPath(filepath.Join(dir, "g"), 2), left, 0o600); err != nil {
		t.Fatal(err)
	}
	check()
	s = open(t, dir, Limits{Segment: 1})
	put(t, s, "a", Entry{6, "m6"})
	frozen := t.TempDir()
	if err := s.Freeze(frozen); err != nil {
		t.Fatal(err)
	}
	s.Close()
	check()
	dir = frozen
	check()
}

// Missing segments of a group are removed from the list when their events would have expired.
func TestMissingSegmentsExpire(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Segment: 1})
	for i := 1; i <= 3; i++ {
		put(t, s, "a", Entry{int64(i), fmt.Sprint("m", i)})
	}
	s.Close()
	if err := os.Remove(segmentPath(filepath.Join(dir, "g"), 1)); err != nil {
		t.Fatal(err)
	}
	s = open(t, dir, Limits{Segment: 1})
	if err := s.Expire("g", time.UnixMilli(2)); err != nil {
		t.Fatal(err)
	}
	s.Close()
	if _, err := Check(dir, func(err error) { t.Error(err) }); err != nil {
		t.Error(err)
	}
}

// Check reports a group whose directory is missing or empty: in the data directory, in a backup of it, and after new
// events were written, until the group is dropped.
func TestMissingDirectories(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{})
	for _, group := range []string{"g", "g1", "empty"} {
		if err := s.Append(group, "a", time.UnixMilli(1), []Entry{{1, "one"}}); err != nil {
			t.Fatal(err)
		}
	}
	s.Close()
	check := func(dir string, want ...string) {
		t.Helper()
		var found []string
		if _, err := Check(dir, func(err error) { found = append(found, err.Error()) }); err != nil {
			t.Fatal(err)
		}
		if len(found) != len(want) {
			t.Fatalf("found %q, want %q", found, want)
		}
		for i, w := range want {
			if !strings.Contains(found[i], w) {
				t.Errorf("found %q, want %q", found[i], w)
			}
		}
	}
	check(dir)
	for _, path := range []string{"g", "empty"} {
		if err := os.RemoveAll(filepath.Join(dir, path)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	missing := filepath.Join(dir, "g") + " is missing"
	check(dir, "empty/segments is missing", "empty/mark is missing", missing)

	s = open(t, dir, Limits{})
	frozen := t.TempDir()
	if err := s.Freeze(frozen); err != nil {
		t.Fatal(err)
	}
	check(frozen, "g is missing")
	put(t, s, "a", Entry{2, "two"})
	if got, _, err := s.Read("g", Query{}); err != nil || messages(got) != "two" {
		t.Errorf("read %q, %v", messages(got), err)
	}
	s.Close()
	check(dir, "empty/segments is missing", "empty/mark is missing", "g was missing once")
	s = open(t, dir, Limits{})
	if err := s.Keep(func(id string) bool { return id == "g1" }); err != nil {
		t.Fatal(err)
	}
	s.Close()
	check(dir)
	left, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(left) != 2 {
		t.Errorf("left %v, %v", left, err)
	}
}
