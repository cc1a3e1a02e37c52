package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync is Sync without the times of the file, which nobody needs.
func datasync(f *os.File) error { return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd()))) }
