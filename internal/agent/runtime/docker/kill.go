package docker

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"
	"golang.org/x/sys/unix"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Destroy kills a container and removes it. The engine answers a kill when it has also released the container's
// network, which it does for one container after another. So Destroy watches the process itself where it can,
// and relies on the answer elsewhere. It always waits for the answer before it removes the container: an engine
// that has not noticed the end yet takes ten seconds longer to remove it.
func (e *Engine) Destroy(ctx context.Context, id string, dead func()) error {
	r, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err = wrap(err); errors.Is(err, runtime.ErrNotFound) {
		dead()
		return nil
	}
	if err != nil {
		return err
	}
	if r.Container.State != nil && r.Container.State.Pid != 0 {
		if err := e.kill(ctx, r.Container.ID, r.Container.State.Pid, dead); err != nil {
			return err
		}
	} else {
		dead()
	}
	return e.Remove(ctx, id)
}

// kill returns when the engine says that the container has ended, and calls dead as soon as its process has.
func (e *Engine) kill(ctx context.Context, id string, pid int, dead func()) error {
	gone := make(chan struct{})
	var watching sync.WaitGroup
	defer watching.Wait()
	defer close(gone)
	dead = sync.OnceFunc(dead)
	if fd, ok := holdProcess(pid, id); ok {
		watching.Go(func() {
			defer unix.Close(fd)
			if died(fd, gone) {
				dead()
			}
		})
	}
	_, err := e.api.ContainerKill(ctx, id, client.ContainerKillOptions{Signal: "KILL"})
	if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) { // it has ended already
		return wrap(err)
	}
	dead()
	return nil
}

// holdProcess opens a container's first process if the container runs on this machine. The pid alone does not
// show that, as the engine may be elsewhere or in a virtual machine; the process's control groups contain the
// container's id.
func holdProcess(pid int, container string) (fd int, ok bool) {
	fd, err := unix.PidfdOpen(pid, 0)
	if err != nil {
		return 0, false
	}
	groups, err := os.ReadFile(fmt.Sprintf("/proc/%d/cgroup", pid))
	if err != nil || !bytes.Contains(groups, []byte(container)) {
		unix.Close(fd)
		return 0, false
	}
	return fd, true
}

// died waits for a process's end, until stop is closed.
func died(fd int, stop <-chan struct{}) bool {
	const look = 20 // milliseconds between checks of stop; an end is noticed at once
	for {
		select {
		case <-stop:
			return false
		default:
		}
		n, err := unix.Poll([]unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}, look)
		if n > 0 {
			return true
		}
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
	}
}
