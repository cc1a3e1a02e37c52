package budget

import (
	"errors"
	"strings"
	"syscall"
	"testing"
)

func TestRoom(t *testing.T) {
	used := int64(0)
	for _, c := range []struct {
		limit, used, free, size, want int64
	}{
		{0, 1 << 40, 1 << 30, 1 << 40, 1<<30 - maxReserve},           // the disk alone
		{1 << 30, 1 << 20, 1 << 40, 1 << 41, 1<<30 - 64<<20 - 1<<20}, // the budget alone
		{1 << 30, 0, 100 << 20, 1 << 40, 36 << 20},                   // the disk is nearer
		{10 << 20, 8 << 20, 1 << 40, 1 << 41, 1 << 20},               // a tenth of a small budget is the reserve
		{0, 0, 10 << 20, 100 << 20, 5 << 20},                         // a twentieth of a small disk is
		{1 << 20, 3 << 20, 1 << 40, 1 << 41, 1<<20 - 1<<20/10 - 3<<20},
	} {
		b := New("", c.limit, Part{"logs", func() int64 { return used }})
		used = c.used
		b.disk = func(string) (int64, int64, error) { return c.free, c.size, nil }
		if got := b.Room(); got != c.want {
			t.Errorf("%+v: room for %d", c, got)
		}
	}
}

func TestTake(t *testing.T) {
	used := int64(900)
	b := New("", 1000, Part{"logs", func() int64 { return used }})
	b.disk = func(string) (int64, int64, error) { return 1 << 40, 1 << 41, nil }
	if err := b.Take(1, nil); !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "--disk-budget") {
		t.Errorf("%v", err)
	}
	freed := 0
	err := b.Take(250, func(enough func() bool) {
		for !enough() && used > 0 {
			used -= 100
			freed++
		}
	})
	if err != nil || freed != 3 {
		t.Errorf("%v after %d steps, want 3", err, freed)
	}
}
