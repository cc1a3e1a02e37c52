package scale

import (
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// cpuTime returns how much processor time a process has used in all its threads.
func cpuTime(b *testing.B, pid int) time.Duration {
	b.Helper()
	const processClock = 2 // CPUCLOCK_SCHED of linux/posix-timers.h
	var t unix.Timespec
	if err := unix.ClockGettime(int32(^pid<<3|processClock), &t); err != nil {
		b.Fatal(err)
	}
	return time.Duration(t.Nano())
}
