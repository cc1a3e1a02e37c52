package link

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file never block, so they are made without notifying Go's scheduler. After a notified call, when a
// write takes ten microseconds, the scheduler would check every twenty whether to give the processor to another thread,
// and wake one. That takes a seventh of the CPU time of a broadcast (decision 0202).

// rawMost is how many bytes one call may copy. It limits how long Go must wait for the call when it stops the world.
const rawMost = 64 << 10

// send writes at most rawMost bytes of p, without waiting and without raising SIGPIPE.
func send(fd int, p []byte) (int, error) {
	if len(p) > rawMost {
		p = p[:rawMost]
	}
	sending()
	n, _, errno := unix.RawSyscall6(unix.SYS_SENDTO, uintptr(fd), uintptr(unsafe.Pointer(unsafe.SliceData(p))),
		uintptr(len(p)), unix.MSG_DONTWAIT|unix.MSG_NOSIGNAL, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	return int(n), nil
}

// receive reads the bytes that have arrived, without waiting.
func receive(fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	received()
	return int(n), nil
}

// poll returns the events of an epoll instance, without waiting.
func poll(ep uintptr, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, ep,
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	received()
	return int(n), nil
}
