package docker

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/user"
	"strconv"
	"strings"
	"sync"

	"github.com/containerd/errdefs"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Engine is a Docker Engine.
type Engine struct {
	api *client.Client
	// networks is held while EnsureNetwork looks for a network and creates it.
	networks sync.Mutex
}

var _ runtime.Runtime = (*Engine)(nil)

// New returns the engine at host ("unix:///var/run/docker.sock"). If host is "", it is that of DOCKER_HOST, or
// the default socket. The engine need not be running.
func New(host string) (*Engine, error) {
	options := []client.Opt{client.FromEnv}
	if host != "" {
		options = append(options, client.WithHost(host))
	}
	api, err := client.New(options...)
	if err != nil {
		return nil, fmt.Errorf("docker: %w", err)
	}
	return &Engine{api: api}, nil
}

// Close closes idle connections.
func (e *Engine) Close() error { return e.api.Close() }

// Ping asks the engine for its description.
func (e *Engine) Ping(ctx context.Context) (runtime.Engine, error) {
	r, err := e.api.Info(ctx, client.InfoOptions{})
	if err != nil {
		return runtime.Engine{}, wrap(err)
	}
	version, _ := strconv.Atoi(r.Info.CgroupVersion)
	return runtime.Engine{
		Version:       r.Info.ServerVersion,
		CPUs:          r.Info.NCPU,
		MemoryBytes:   r.Info.MemTotal,
		CgroupVersion: version,
		CgroupDriver:  r.Info.CgroupDriver,
	}, nil
}

// wrap makes an error of the client match the errors of package runtime.
func wrap(err error) error {
	switch {
	case err == nil:
		return nil
	case refused(err):
		return &failure{runtime.ErrUnavailable, explain(err)}
	case client.IsErrConnectionFailed(err):
		return &failure{runtime.ErrUnavailable, err}
	case errdefs.IsNotFound(err):
		return &failure{runtime.ErrNotFound, err}
	case isPortTaken(err):
		return &failure{runtime.ErrPortTaken, err}
	case errdefs.IsConflict(err):
		return &failure{runtime.ErrConflict, err}
	}
	return err
}

// refused reports whether the operating system denies access to the engine's socket.
func refused(err error) bool {
	return errors.Is(err, fs.ErrPermission) ||
		client.IsErrConnectionFailed(err) && strings.Contains(err.Error(), "permission denied")
}

// explain says who was refused and what to do about it.
func explain(err error) error {
	who := fmt.Sprintf("user id %d", os.Geteuid())
	if u, lookup := user.Current(); lookup == nil {
		who = fmt.Sprintf("user %s", u.Username)
	}
	//lint:ignore ST1005 Docker is a name
	return fmt.Errorf("Docker refuses %s: %w. Add the user to the group that owns Docker's socket, usually "+
		"\"sudo usermod -aG docker USER\", log in again and start Berth again, or run Berth as root", who, err)
}

// isPortTaken checks the engine's text; it has no code for this.
func isPortTaken(err error) bool {
	text := err.Error()
	return strings.Contains(text, "port is already allocated") || strings.Contains(text, "address already in use")
}

// failure has the engine's text and matches a kind, too.
type failure struct{ kind, cause error }

func (f *failure) Error() string   { return f.cause.Error() }
func (f *failure) Unwrap() []error { return []error{f.kind, f.cause} }
