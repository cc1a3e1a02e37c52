//go:build race

package link

import (
	"runtime"
	"unsafe"
)

// wire stands for the kernel: what came before bytes were sent, or a link was watched, happens before the call
// that receives or polls returns. Package syscall informs the race detector in the same way.
var wire byte

func sending()  { runtime.RaceReleaseMerge(unsafe.Pointer(&wire)) }
func received() { runtime.RaceAcquire(unsafe.Pointer(&wire)) }
