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

// Destroy kills a container and removes it. The engine answers a kill when it has released the container's network as well, which it does for one
// container after the other; so the process itself is watched where it can be seen, and only where it cannot the answer says that it is dead. The
// answer is waited for before the removal in any case: of an engine that has not noticed the end yet, a removal takes ten seconds longer.
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
	if err != nil && !errdefs.IsConflict(err) && !errdefs.IsNotFound(err) { // those have ended by themselves
		return wrap(err)
	}
	dead()
	return nil
}

// holdProcess takes hold of a container's first process, if this is the machine it runs on. The number alone does not say so, for the engine may
// be elsewhere or in a machine of its own: the process's control groups are named for the container.
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

// died waits for a process's end, but not when nobody wants to know any more.
func died(fd int, stop <-chan struct{}) bool {
	const look = 20 // milliseconds between looks at stop; an end is seen at once
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
