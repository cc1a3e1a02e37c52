package runtime

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that callers distinguish. Other errors have the engine's own text.
var (
	// ErrUnavailable means that the engine cannot be reached.
	ErrUnavailable = errors.New("the container runtime cannot be reached")
	// ErrNotFound means that the container, image, network or volume is not there.
	ErrNotFound = errors.New("not found")
	// ErrConflict means that the name is taken.
	ErrConflict = errors.New("already exists")
	// ErrPortTaken means that a host port to publish is in use.
	ErrPortTaken = errors.New("host port is in use")
	// ErrConfig and ErrHostConfig mean that the document of that name in a Spec
	// is not what Docker understands.
	ErrConfig     = errors.New("cannot decode Docker's Config")
	ErrHostConfig = errors.New("cannot decode Docker's HostConfig")
)

// Runtime is a whole container runtime.
type Runtime interface {
	Images
	Containers
	Streams
	Networks
	Volumes
	// Ping asks the engine for its description.
	Ping(ctx context.Context) (Engine, error)
}

// Engine describes the container runtime and its machine.
type Engine struct {
	Version       string // of the engine: "20.10.24"
	CPUs          int
	MemoryBytes   int64
	CgroupVersion int    // 1 or 2
	CgroupDriver  string // "cgroupfs" or "systemd"
}

// Images are what containers are created from.
type Images interface {
	// Pull pulls an image from its registry and returns the digest of its manifest. With a nil auth it pulls
	// anonymously.
	Pull(ctx context.Context, ref string, auth *Auth) (digest string, err error)
	// Image describes a local image.
	Image(ctx context.Context, ref string) (Image, error)
	// Import creates an image from a tar of its root file system.
	Import(ctx context.Context, ref string, rootFS io.Reader, entryPoint []string) error
	// RemoveImage removes a name, and the image with its last name.
	RemoveImage(ctx context.Context, ref string) error
	// ImageUsed reports whether there is a container of the image, running or not, also one that others created.
	ImageUsed(ctx context.Context, id string) (bool, error)
}

// Auth is a login to a registry.
type Auth struct{ Username, Password string }

// Image is a local image. Digests are its names in registries, as name@sha256:….
type Image struct {
	ID      string
	Names   []string  // as name:tag
	NamedAt time.Time // when it last got a name; zero if that is not known
	Digests []string
	Env     []string // "NAME=value"
}

// Containers creates and runs containers.
type Containers interface {
	// Create creates a container and returns its id.
	Create(ctx context.Context, s Spec) (id string, err error)
	// Start starts a created or stopped container. It does nothing if the container runs.
	Start(ctx context.Context, id string) error
	// Stop sends the image's stop signal, after grace SIGKILL, and returns once the container has stopped. It
	// does nothing if the container has stopped.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Destroy is Remove with a notice: it calls dead once the container has no process any more, which may be
	// long before it is removed, or never if that is not certain.
	Destroy(ctx context.Context, id string, dead func()) error
	// SetHosts makes exactly the names of want, lines "name:address", resolve by a running container's
	// /etc/hosts, in addition to other lines of the file. made are the lines with which the container was
	// created, as part of its ExtraHosts.
	SetHosts(ctx context.Context, id string, made, want []string) error
	// Inspect describes a container.
	Inspect(ctx context.Context, id string) (Container, error)
	// List describes the containers that have the label with that value, running or not.
	List(ctx context.Context, label, value string) ([]Container, error)
	// Remove kills the container if it runs, and removes it with its log and its unnamed volumes. It is no
	// error if there is no such container.
	Remove(ctx context.Context, id string) error
}

// Streams are events, logs and measurements of containers.
type Streams interface {
	// Watch subscribes to events. Once it has returned, no event is missed until the channel is closed,
	// because the engine has ended or ctx has.
	Watch(ctx context.Context) (<-chan Event, error)
	// Logs yields what the container wrote at or after since, in the order of the engine's log. With follow it
	// continues until the container ends.
	Logs(ctx context.Context, id string, since time.Time, follow bool) iter.Seq2[LogEntry, error]
	// Stats yields a sample about once a second while the container runs.
	Stats(ctx context.Context, id string) iter.Seq2[Sample, error]
}

// Networks manages the networks of containers.
type Networks interface {
	// EnsureNetwork returns the bridge network of that name, and creates it if needed.
	EnsureNetwork(ctx context.Context, s NetworkSpec) (Network, error)
	// NetworksWith describes the networks that have the label.
	NetworksWith(ctx context.Context, label string) ([]Network, error)
	// RemoveNetwork removes a network without containers. It is no error if there is no such network.
	RemoveNetwork(ctx context.Context, name string) error
}

// Volumes manages named volumes.
type Volumes interface {
	// EnsureVolume creates a volume unless one with that name exists.
	EnsureVolume(ctx context.Context, s VolumeSpec) error
	// HasVolume reports whether there is a volume of that name.
	HasVolume(ctx context.Context, name string) (bool, error)
	// VolumesWith returns the names of the volumes that have the label with that value.
	VolumesWith(ctx context.Context, label, value string) ([]string, error)
	// RemoveVolume removes a volume. It is no error if there is no such volume.
	RemoveVolume(ctx context.Context, name string) error
}
