package awswire

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/netip"
	"os"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/semaphore"
)

// Bodies are in memory before their signatures are verified, so anyone can send them.
const (
	// smallBody is the size up to which a body is read without reserving memory, since the number
	// of connections limits their sum. Bodies of unsigned requests may not be larger.
	smallBody = 32 << 10
	// maxUnverified limits the total size of larger bodies that are not verified yet.
	maxUnverified = 64 << 20
	// maxUnverifiedBySource limits the part of that for one address that is not loopback.
	maxUnverifiedBySource = maxUnverified / 2
	// memoryTime is how long a large body waits for memory.
	memoryTime = 10 * time.Second
)

// memory limits the size of the bodies that are not verified yet.
type memory struct {
	all *semaphore.Weighted

	mu      sync.Mutex
	sources map[string]int64 // guarded by mu
}

func newMemory() *memory {
	return &memory{all: semaphore.NewWeighted(maxUnverified), sources: map[string]int64{}}
}

var errNoMemory = errors.New("too many large requests are arriving")

// take waits until a body of the given size from a source may be read; release gives the memory
// back.
func (m *memory) take(ctx context.Context, source string, size int64) (release func(), err error) {
	if size <= smallBody {
		return func() {}, nil
	}
	size = min(size, maxUnverified)
	if !m.book(source, size) {
		return nil, errNoMemory
	}
	ctx, cancel := context.WithTimeout(ctx, memoryTime)
	defer cancel()
	if m.all.Acquire(ctx, size) != nil {
		m.book(source, -size)
		return nil, errNoMemory
	}
	return sync.OnceFunc(func() {
		m.all.Release(size)
		m.book(source, -size)
	}), nil
}

// book changes the bytes of a source, and reports whether it may have that many.
func (m *memory) book(source string, size int64) bool {
	if ip, err := netip.ParseAddr(source); err == nil && ip.Unmap().IsLoopback() {
		return true
	}
	m.mu.Lock()
	defer m.mu.Unlock()
	have := m.sources[source] + size
	if size > 0 && have > maxUnverifiedBySource {
		return false
	}
	if m.sources[source] = have; have == 0 {
		delete(m.sources, source)
	}
	return true
}

// sourceOf returns the address of a request's sender without the port.
func sourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// bodyLimit returns the largest size of a body that the service accepts. The service is not
// verified yet: it comes from the target or else from the scope of the signature.
func (x *inflight) bodyLimit() int64 {
	if x.signature == nil {
		return smallBody
	}
	prefix, _, _ := strings.Cut(x.target, ".")
	limit := int64(0)
	for _, s := range x.h.services {
		if prefix != "" && s.TargetPrefix == prefix || prefix == "" && s.Name == x.signature.Service {
			limit = max(limit, s.MaxBody)
		}
	}
	if limit == 0 {
		return DefaultMaxBody
	}
	return limit
}

// readBody reads the body, up to the limit of its service.
func (x *inflight) readBody(w http.ResponseWriter) error {
	x.limit = x.bodyLimit()
	size := x.r.ContentLength
	if size > x.limit {
		return x.tooLarge(x.limit)
	}
	if size < 0 {
		size = x.limit
	}
	var err error
	if x.release, err = x.h.memory.take(x.r.Context(), sourceOf(x.r), size); err != nil {
		return x.fault("ServiceUnavailable",
			"Too many large requests are arriving. Try again.").WithStatus(http.StatusServiceUnavailable)
	}
	body := http.MaxBytesReader(w, x.r.Body, x.limit)
	if x.r.ContentLength > 0 {
		x.body = make([]byte, size)
		_, err = io.ReadFull(body, x.body)
	} else {
		x.body, err = io.ReadAll(body)
	}
	if err == nil {
		return nil
	}
	x.body = nil
	if _, tooLarge := errors.AsType[*http.MaxBytesError](err); tooLarge {
		return x.tooLarge(x.limit)
	}
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return x.fault("RequestTimeout", "The body did not arrive in time.").WithStatus(http.StatusRequestTimeout)
	}
	return x.malformed("the body could not be read to its end").With(err)
}
