package logstore

import (
	"errors"
	"fmt"
	"strings"
	"syscall"
	"testing"
	"time"
)

// When there is no space left, the oldest events of all groups are dropped, in their order, and new ones are stored.
func TestOldestEventsMakeRoom(t *testing.T) {
	const limit = 20_000
	var s *Store
	s = open(t, t.TempDir(), Limits{Segment: 1, Take: func(n int64, free func(func() bool)) error {
		enough := func() bool { return s.Used()+n <= limit }
		if !enough() {
			free(enough)
		}
		if !enough() {
			return syscall.ENOSPC
		}
		return nil
	}})
	defer s.Close()
	for i := range 40 { // more than fit, in turn to two groups
		err := s.Append(fmt.Sprint("g", i%2), "a", time.UnixMilli(0), []Entry{{int64(i), strings.Repeat("x", 1000)}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if s.Used() > limit || s.Used() < limit-2000 {
		t.Errorf("%d bytes are used of %d", s.Used(), limit)
	}
	first := int64(40)
	for i := range 2 {
		got, _, err := s.Read(fmt.Sprint("g", i), Query{})
		if err != nil || len(got) < 8 || got[len(got)-1].Time != int64(38+i) {
			t.Errorf("group %d has %d events, %v", i, len(got), err)
			continue
		}
		first = min(first, got[0].Time)
		for n := 1; n < len(got); n++ {
			if got[n].Time != got[n-1].Time+2 {
				t.Errorf("group %d has a hole after event %d", i, got[n-1].Time)
			}
		}
	}
	if first < 20 {
		t.Errorf("event %d is still there", first)
	}
	big := []Entry{{99, strings.Repeat("x", limit)}}
	if err := s.Append("g0", "a", time.UnixMilli(0), big); !errors.Is(err, syscall.ENOSPC) {
		t.Errorf("an event larger than the budget: %v", err)
	}
}

// The counted size is the real one, also after a restart.
func TestUsedIsWhatThereIs(t *testing.T) {
	dir := t.TempDir()
	s := open(t, dir, Limits{Segment: 1000, Group: 5000})
	for i := range 30 {
		put(t, s, "a", Entry{int64(i), strings.Repeat("x", 300)})
	}
	if err := s.Expire("g", time.UnixMilli(28)); err != nil {
		t.Fatal(err)
	}
	was := s.Used()
	s.Close()
	s = open(t, dir, Limits{})
	defer s.Close()
	if was == 0 || s.Used() != was {
		t.Errorf("%d bytes counted, %d are there", was, s.Used())
	}
	if err := s.Drop("g"); err != nil || s.Used() != 0 {
		t.Errorf("%d bytes left, %v", s.Used(), err)
	}
}
