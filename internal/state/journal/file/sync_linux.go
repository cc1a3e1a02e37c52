package file

import (
	"os"

	"golang.org/x/sys/unix"
)

// datasync is Sync without the file's times, which are not needed.
func datasync(f *os.File) error { return os.NewSyscallError("fdatasync", unix.Fdatasync(int(f.Fd()))) }
