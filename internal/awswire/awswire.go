// Package awswire is the HTTP server for AWS's APIs. It reads requests in AWS's protocols, checks
// their signatures, decodes them into the shapes of package shape, calls the operation that they
// name, and encodes the answer or the error as AWS does.
//
// An operation gets a decoded, complete input with valid enum values, without any member that the
// operation has declared not to implement, and a Call that says who asks. A caller gets an error
// that names it for whatever could not be used; nothing is ignored. A panic, or an error that is
// not a *fault.Error, becomes AWS's internal error without any detail, which is only logged. The
// handler is safe for concurrent use and keeps nothing between requests.
//
// The package knows no resources and no state. Websockets and the image registry do not pass
// through it; they use awswire/sigv4.
package awswire

import (
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/newid"
)

// Call is what an operation knows about a request besides its input.
type Call struct {
	Service   string // the name in the signature's scope
	Action    string
	Region    string // from the signature's scope
	Account   string // of the principal
	RequestID string
	Principal identity.Principal
	Now       time.Time
	Random    io.Reader // source of ids; it never fails
	Host      string    // this server's host as the caller addressed it, for URLs in answers

	pages pages
}

// Config is what the handler needs from the server.
type Config struct {
	Verifier *sigv4.Verifier
	Logger   *slog.Logger     // nil: slog.DiscardHandler
	Now      func() time.Time // nil: time.Now
	Random   io.Reader        // for ids; nil: crypto/rand. Read concurrently; it must not fail
	PageKey  []byte           // authenticates page tokens; nil: a random key, so that tokens do not survive a restart
	// Audit, unless nil, is called once per request, before the answer, concurrently; Took is not
	// set yet
	Audit   func(Outcome)
	Observe func(Outcome) // unless nil, called once per request, after the answer, concurrently
}

// Outcome describes a finished request.
type Outcome struct {
	Call   Call   // as far as it is known; Service and Action are "" if the server does not have them
	Code   string // of the error; "" for success
	Status int
	Took   time.Duration

	// Asked is the service and the action as the request names them. Callers may send anything
	// there.
	Asked struct{ Service, Action string }

	Source      string // the caller's network address
	AccessKeyID string // as the request names it; verified only if Call has a Principal
	// Resources finds the names, IDs and ARNs in the input, by member.
	Resources func() map[string][]string
}

// DefaultMaxBody is the size of the largest request body in bytes, unless a service says otherwise.
const DefaultMaxBody = 2 << 20

// handler implements http.Handler.
type handler struct {
	cfg      Config
	services []*service
	pageKey  []byte
	memory   *memory
}

// NewHandler returns the handler for the given services. It returns an error if a service is
// described wrongly: an operation twice, a refused member that does not exist, an invalid shape, or
// two services that cannot be distinguished.
func NewHandler(cfg Config, services ...Service) (http.Handler, error) {
	if cfg.Verifier == nil {
		return nil, errors.New("awswire: a front desk without a Verifier would believe everybody")
	}
	if cfg.Logger == nil {
		cfg.Logger = slog.New(slog.DiscardHandler)
	}
	if cfg.Now == nil {
		cfg.Now = time.Now
	}
	if cfg.Random == nil {
		cfg.Random = rand.Reader
	}
	if cfg.PageKey == nil {
		cfg.PageKey = newid.Bytes(cfg.Random, 32)
	}
	h := &handler{cfg: cfg, pageKey: cfg.PageKey, memory: newMemory()}
	cache := &schema.Cache{}
	for _, s := range services {
		compiled, err := compile(s, cache)
		if err != nil {
			return nil, fmt.Errorf("awswire: service %s: %w", s.Name, err)
		}
		for _, other := range h.services {
			if other.Name == s.Name && other.Version == s.Version && other.TargetPrefix == s.TargetPrefix {
				return nil, fmt.Errorf("awswire: two services %s of version %q and target %q", s.Name,
					s.Version, s.TargetPrefix)
			}
		}
		h.services = append(h.services, compiled)
	}
	return h, nil
}
