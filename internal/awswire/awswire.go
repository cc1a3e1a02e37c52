// Package awswire is the front desk: it takes HTTP requests in AWS's protocols, proves who made them, reads them into the
// shapes of package shape, hands them to the operation they name, and words the answer or the fault as AWS does.
//
// It promises operations a decoded, complete input with enum values that exist, nothing in it that the operation has declared
// not to implement, and a Call that says who asks. It promises callers that nothing they sent was passed over in silence: what
// has no place is refused by name. A panic or an error that is no *fault.Error becomes AWS's internal fault with nothing of its
// text; the log has it. The handler is safe for concurrent use and keeps nothing between requests.
//
// It knows no resources and no state. Websockets and the image registry do not pass through it; they use awswire/sigv4.
package awswire

import (
	"crypto/rand"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/identity"
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
	Host      string // as the caller addressed this server, for URLs in answers

	pages pages
}

// Config is what the front desk needs from the server.
type Config struct {
	Verifier *sigv4.Verifier
	Logger   *slog.Logger     // nil: slog.DiscardHandler
	Now      func() time.Time // nil: time.Now
	PageKey  []byte           // authenticates page tokens; nil: a random key, so that tokens do not survive a restart
	Audit    func(Outcome)    // nil: nobody records. Called once per request, before the answer, concurrently; Took is not known yet
	Observe  func(Outcome)    // nil: nobody looks. Called once per request, after the answer, concurrently
}

// Outcome is what became of a request.
type Outcome struct {
	Call   Call   // as far as it was known; Service and Action are "" unless the desk has them
	Code   string // the fault's code, "" for success
	Status int
	Took   time.Duration

	Source      string              // the caller's network address
	AccessKeyID string              // as the request names it; proved only when Call has a Principal
	Resources   map[string][]string // the names, IDs and ARNs in the input, by member
}

// DefaultMaxBody is the size of the largest request body in bytes, unless a service says otherwise.
const DefaultMaxBody = 2 << 20

// handler is the front desk with everything compiled.
type handler struct {
	cfg      Config
	services []*service
	pageKey  []byte
	memory   *memory
}

// NewHandler makes the front desk of the given services. It fails when a service is described wrongly: an operation named twice,
// a refused member that does not exist, a shape that is none, two services that cannot be told apart.
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
	if cfg.PageKey == nil {
		cfg.PageKey = make([]byte, 32)
		rand.Read(cfg.PageKey) // never fails
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
				return nil, fmt.Errorf("awswire: two services %s of version %q and target %q", s.Name, s.Version, s.TargetPrefix)
			}
		}
		h.services = append(h.services, compiled)
	}
	return h, nil
}
