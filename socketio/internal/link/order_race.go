//go:build race

package link

import (
	"runtime"
	"unsafe"
)

// wire represents the kernel for the race detector. What happened before bytes were sent, or before a link was watched,
// also happened before a later call that receives or polls returns. Package syscall tells the race detector the same in
// this way.
var wire byte

func sending()  { runtime.RaceReleaseMerge(unsafe.Pointer(&wire)) }
func received() { runtime.RaceAcquire(unsafe.Pointer(&wire)) }
