//go:build unix

package cli

import (
	"os"
	"syscall"
)

// ownDir reports whether a directory belongs to this user and nobody else may write to it, so that its content
// can be trusted.
func ownDir(dir string) bool {
	info, err := os.Lstat(dir)
	if err != nil || !info.IsDir() || info.Mode().Perm()&0o022 != 0 {
		return false
	}
	s, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(s.Uid) == os.Geteuid()
}
