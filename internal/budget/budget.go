// Package budget bounds how much of the disk a data directory takes.
//
// Logs and images ask for room before they grow. The state never asks: the others must leave a reserve free for
// it, in the budget and on the disk. The parts keep count of their own size, so asking costs a few additions
// and one system call.
package budget

import (
	"fmt"
	"math"
	"syscall"
)

// maxReserve is the space in bytes that is reserved for the state, unless the budget or the disk is small.
const maxReserve = 64 << 20

// Budget is a bound for all parts of a data directory together.
type Budget struct {
	limit int64
	dir   string
	parts []Part
	disk  func(dir string) (free, size int64, err error)
}

// Part is something that takes space.
type Part struct {
	Name string
	Used func() int64
}

// New returns the budget of a directory. limit is in bytes; 0 means the size of the disk.
func New(dir string, limit int64, parts ...Part) *Budget {
	return &Budget{limit: limit, dir: dir, parts: parts, disk: disk}
}

// Usage is the space that a part takes.
type Usage struct {
	Name  string
	Bytes int64
}

// Use lists how much each part takes.
func (b *Budget) Use() []Usage {
	all := make([]Usage, len(b.parts))
	for i, p := range b.parts {
		all[i] = Usage{p.Name, p.Used()}
	}
	return all
}

// Limit returns the budget in bytes, or 0 when only the disk is the limit.
func (b *Budget) Limit() int64 { return b.limit }

// Room returns how many more bytes logs and images may take. It may be negative.
func (b *Budget) Room() int64 {
	room := int64(math.MaxInt64)
	if b.limit > 0 {
		room = b.limit - min(maxReserve, b.limit/10)
		for _, p := range b.parts {
			room -= p.Used()
		}
	}
	if free, size, err := b.disk(b.dir); err == nil { // if the size is not known, the disk itself refuses writes
		room = min(room, free-min(maxReserve, size/20))
	}
	return room
}

// Full is the error when there is no room.
type Full struct{ Wanted, Room, Limit int64 }

func (f *Full) Error() string {
	if f.Limit > 0 {
		return fmt.Sprintf("the disk budget of %d bytes is used up: %d bytes are wanted and %d are left; "+
			"delete images or logs, or start the server with a larger --disk-budget", f.Limit, f.Wanted, max(0, f.Room))
	}
	return fmt.Sprintf("the disk is full but for the reserve of the state: %d bytes are wanted and %d are left",
		f.Wanted, max(0, f.Room))
}

// Is makes errors.Is(err, syscall.ENOSPC) true.
func (f *Full) Is(target error) bool { return target == syscall.ENOSPC }

// TakeAlone is Take with nothing to free.
func (b *Budget) TakeAlone(n int64) error { return b.Take(n, nil) }

// Take returns nil when there is room for n bytes, and a *Full otherwise. Before it gives up it calls
// free, which may be nil, to make room.
func (b *Budget) Take(n int64, free func(enough func() bool)) error {
	enough := func() bool { return b.Room() >= n }
	if enough() {
		return nil
	}
	if free != nil {
		free(enough)
	}
	if room := b.Room(); room < n {
		return &Full{n, room, b.limit}
	}
	return nil
}
