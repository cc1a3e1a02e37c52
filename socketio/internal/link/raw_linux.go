package link

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// The calls of this file never block, so they are made without telling Go's scheduler. Told of a write that takes
// ten microseconds, it looks after the processor every twenty, takes it away from the writer and wakes another
// thread: a seventh of the CPU time of a broadcast (decision 0202).

// rawMost bounds what one call copies, and with it how long a stop of the world may have to wait for the call.
const rawMost = 64 << 10

// send gives the kernel at most rawMost bytes of p, without waiting and without SIGPIPE.
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

// receive reads what is there, without waiting.
func receive(fd int, p []byte) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_RECVFROM, uintptr(fd),
		uintptr(unsafe.Pointer(unsafe.SliceData(p))), uintptr(len(p)), unix.MSG_DONTWAIT, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	received()
	return int(n), nil
}

// poll collects what an epoll instance has to say, without waiting.
func poll(ep uintptr, events []unix.EpollEvent) (int, error) {
	n, _, errno := unix.RawSyscall6(unix.SYS_EPOLL_PWAIT, ep,
		uintptr(unsafe.Pointer(unsafe.SliceData(events))), uintptr(len(events)), 0, 0, 0)
	if errno != 0 {
		return 0, errno
	}
	received()
	return int(n), nil
}
