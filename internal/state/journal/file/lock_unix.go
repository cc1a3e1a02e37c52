//go:build unix

package file

import (
	"errors"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// lockWait is how long to wait for another process to release the lock.
const lockWait = 300 * time.Millisecond

// flock locks a file for this process until it is closed.
func flock(f *os.File) error {
	for deadline := time.Now().Add(lockWait); ; time.Sleep(10 * time.Millisecond) {
		err := unix.Flock(int(f.Fd()), unix.LOCK_EX|unix.LOCK_NB)
		if !errors.Is(err, unix.EWOULDBLOCK) || time.Now().After(deadline) {
			if errors.Is(err, unix.EWOULDBLOCK) {
				err = ErrInUse
			}
			return err
		}
	}
}
