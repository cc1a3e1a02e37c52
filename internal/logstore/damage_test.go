package logstore

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// Each byte of a segment, changed: the batches that it does not belong to are read, and Check names the place.
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
			if at%5 == 0 && at < len(whole)-each { // the end of the last segment may be what a crash left
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

// A log event that looks like records of another stream does not become one, even when the batch it is in is damaged.
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

// An index that has changed is made again from its segment.
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
