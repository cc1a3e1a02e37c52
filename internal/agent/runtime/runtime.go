package runtime

import (
	"context"
	"errors"
	"io"
	"iter"
	"time"
)

// Errors that callers tell apart. Everything else is the engine's own text.
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
	// Ping asks the engine who it is.
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

// Images holds what containers are made of.
type Images interface {
	// Pull gets an image from its registry and returns the digest of its manifest.
	// A nil auth pulls anonymously.
	Pull(ctx context.Context, ref string, auth *Auth) (digest string, err error)
	// Image describes an image that is here.
	Image(ctx context.Context, ref string) (Image, error)
	// Import makes an image of a tar of its root file system.
	Import(ctx context.Context, ref string, rootFS io.Reader, entryPoint []string) error
	// RemoveImage forgets a name, and the image with its last name.
	RemoveImage(ctx context.Context, ref string) error
	// ImageUsed reports whether there is a container of the image, whosever and running or not.
	ImageUsed(ctx context.Context, id string) (bool, error)
}

// Auth opens a registry.
type Auth struct{ Username, Password string }

// Image is an image that is here. Digests are those under which registries know it, as name@sha256:….
type Image struct {
	ID      string
	Names   []string  // as name:tag
	NamedAt time.Time // when it was last given a name; zero if that is not known
	Digests []string
	Env     []string // "NAME=value"
}

// Containers is what runs.
type Containers interface {
	// Create makes a container and returns its id.
	Create(ctx context.Context, s Spec) (id string, err error)
	// Start runs a created or stopped container; a running one is left alone.
	Start(ctx context.Context, id string) error
	// Stop sends the image's stop signal, after grace SIGKILL, and returns once the
	// container has stopped; a stopped one is left alone.
	Stop(ctx context.Context, id string, grace time.Duration) error
	// Destroy is Remove for those who cannot wait: it calls dead once the container has no process any more, which may be long before it is
	// forgotten, and not at all when that cannot be said.
	Destroy(ctx context.Context, id string, dead func()) error
	// SetHosts makes the names that a container that runs resolves by its /etc/hosts those of want, lines "name:address", beside what else
	// the file says. made are those that the container was created with, as part of its ExtraHosts.
	SetHosts(ctx context.Context, id string, made, want []string) error
	// Inspect describes a container.
	Inspect(ctx context.Context, id string) (Container, error)
	// List describes the containers that have the label with that value, running or not.
	List(ctx context.Context, label, value string) ([]Container, error)
	// Remove stops at once what still runs and forgets the container, its log and its
	// unnamed volumes. A container that is not there is no error.
	Remove(ctx context.Context, id string) error
}

// Streams is what happens to containers.
type Streams interface {
	// Watch subscribes to events. Once it has returned, nothing is missed until the
	// channel closes, which says that the engine is gone or ctx has ended.
	Watch(ctx context.Context) (<-chan Event, error)
	// Logs yields what the container wrote at or after since, oldest first, in the
	// order of the engine's log. With follow it goes on until the container ends.
	Logs(ctx context.Context, id string, since time.Time, follow bool) iter.Seq2[LogEntry, error]
	// Stats yields a sample about once a second while the container runs.
	Stats(ctx context.Context, id string) iter.Seq2[Sample, error]
}

// Networks is what connects containers to one another.
type Networks interface {
	// EnsureNetwork returns the bridge network of that name, made if it is missing.
	EnsureNetwork(ctx context.Context, s NetworkSpec) (Network, error)
	// NetworksWith describes the networks that have the label.
	NetworksWith(ctx context.Context, label string) ([]Network, error)
	// RemoveNetwork forgets a network without containers; a missing one is no error.
	RemoveNetwork(ctx context.Context, name string) error
}

// Volumes is what outlives containers.
type Volumes interface {
	// EnsureVolume makes a volume unless one of that name is there.
	EnsureVolume(ctx context.Context, s VolumeSpec) error
	// HasVolume reports whether there is a volume of that name.
	HasVolume(ctx context.Context, name string) (bool, error)
	// VolumesWith names the volumes that have the label with that value.
	VolumesWith(ctx context.Context, label, value string) ([]string, error)
	// RemoveVolume forgets a volume; a missing one is no error.
	RemoveVolume(ctx context.Context, name string) error
}
