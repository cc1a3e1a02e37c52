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

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Bodies are in memory before their signatures are verified, so anybody can send them.
const (
	// smallBody is the size up to which a body is read without asking for memory: the number of
	// connections bounds their sum. Unsigned requests may have no larger one.
	smallBody = 32 << 10
	// maxUnverified is the size of all larger bodies together that are not verified yet.
	maxUnverified = 64 << 20
	// maxUnverifiedBySource is the part of it that one address may have, unless it is loopback.
	maxUnverifiedBySource = maxUnverified / 2
	// memoryTime is how long a large body waits for memory.
	memoryTime = 10 * time.Second
)

// memory is what bodies that are not verified yet may have of it.
type memory struct {
	all *semaphore.Weighted

	mu      sync.Mutex
	sources map[string]int64 // guarded by mu
}

func newMemory() *memory {
	return &memory{all: semaphore.NewWeighted(maxUnverified), sources: map[string]int64{}}
}

var errNoMemory = errors.New("too many large requests are arriving")

// take waits for room for a body of the given size, from a source; release gives it back.
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

// book changes what a source has, and reports whether it may have that much.
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

// sourceOf is the address of a request's sender without the port.
func sourceOf(r *http.Request) string {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return r.RemoteAddr
	}
	return host
}

// bodyLimit is the size of the largest body that the service takes for which the request claims to
// be, by its target or else by the scope of its signature.
func (x *exchange) bodyLimit() int64 {
	scope, signed := sigv4.ReadScope(x.r)
	if !signed {
		return smallBody
	}
	prefix, _, _ := strings.Cut(x.r.Header.Get("X-Amz-Target"), ".")
	limit := int64(0)
	for _, s := range x.h.services {
		if prefix != "" && s.TargetPrefix == prefix || prefix == "" && s.Name == scope.Service {
			limit = max(limit, s.MaxBody)
		}
	}
	if limit == 0 {
		return DefaultMaxBody
	}
	return limit
}

// readBody reads the body up to the largest size that its service takes.
func (x *exchange) readBody(w http.ResponseWriter) error {
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
		return x.fault("ServiceUnavailable", "Too many large requests are arriving. Try again.").WithStatus(http.StatusServiceUnavailable)
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
