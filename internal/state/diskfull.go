package state

import (
	"errors"
	"syscall"
)

// isDiskFull reports whether there was no room: on the disk, in the quota, or below the limit for
// the size of a file.
func isDiskFull(err error) bool {
	return errors.Is(err, syscall.ENOSPC) || errors.Is(err, syscall.EDQUOT) || errors.Is(err, syscall.EFBIG)
}
