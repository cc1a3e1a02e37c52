//go:build race

package link

import (
	"runtime"
	"unsafe"
)

// wire stands for the kernel: what came before bytes were sent, or a link was watched, has happened for who receives
// or polls. Package syscall tells the race detector the same.
var wire byte

func sending()  { runtime.RaceReleaseMerge(unsafe.Pointer(&wire)) }
func received() { runtime.RaceAcquire(unsafe.Pointer(&wire)) }
