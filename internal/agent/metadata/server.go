package metadata

import (
	"context"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"net/netip"
	"net/url"
	"sync"
	"time"

	"golang.org/x/time/rate"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// Config configures a Server.
type Config struct {
	Cluster           string
	ContainerInstance string
	Zone              string
	VPC               string
	RPS, Burst        int // of requests from one address

	Credentials *Credentials
	Tasks       func() []engine.Record
	// Stats returns a container's last two samples.
	Stats func(containerID string) (now, before runtime.Sample, ok bool)
	// Neighbours returns the metadata addresses of the machine's other agents.
	Neighbours func(ctx context.Context) []netip.AddrPort
	// Tags returns the tags of a resource by its ARN.
	Tags func(ctx context.Context, arn string) (map[string]string, error)
	// Protection calls the ECS API with the credentials of the task's role.
	Protection func(ctx context.Context, c acs.RoleCredentials, action string, in, out any) error
	Log        *slog.Logger
}

// Server serves containers.
type Server struct {
	cfg Config
	mux *http.ServeMux
	// neighbours makes requests to the machine's other agents, never by a proxy, since the ids in them are
	// secrets.
	neighbours *http.Transport

	mu      sync.Mutex // guards callers
	callers map[string]*rate.Limiter
}

// New returns a Server.
func New(cfg Config) *Server {
	s := &Server{cfg: cfg, mux: http.NewServeMux(), neighbours: &http.Transport{IdleConnTimeout: time.Minute},
		callers: map[string]*rate.Limiter{}}
	s.mux.HandleFunc("GET /v2/credentials/{id}", s.credentials)
	for _, version := range []string{"v3", "v4"} {
		v4 := version == "v4"
		s.mux.HandleFunc("GET /"+version+"/{id}",
			s.container(func(_ context.Context, t *engine.Record, b *engine.Box) (any, error) {
				return s.containerView(t, b, v4), nil
			}))
		s.mux.HandleFunc("GET /"+version+"/{id}/task",
			s.container(func(_ context.Context, t *engine.Record, _ *engine.Box) (any, error) {
				return s.taskView(t, v4), nil
			}))
		s.mux.HandleFunc("GET /"+version+"/{id}/taskWithTags", s.container(s.taskWithTags(v4)))
		s.mux.HandleFunc("GET /"+version+"/{id}/stats",
			s.container(func(_ context.Context, _ *engine.Record, b *engine.Box) (any, error) {
				return s.statsView(b), nil
			}))
		s.mux.HandleFunc("GET /"+version+"/{id}/task/stats",
			s.container(func(_ context.Context, t *engine.Record, _ *engine.Box) (any, error) {
				return s.taskStatsView(t), nil
			}))
	}
	s.mux.HandleFunc("GET /api/{id}/task-protection/v1/state", s.protection("GetTaskProtection"))
	s.mux.HandleFunc("PUT /api/{id}/task-protection/v1/state", s.protection("UpdateTaskProtection"))
	return s
}

// hop marks a request that an agent passes on; unknownID marks an answer that says only that the id is not
// known.
const (
	hop       = "X-Berth-Hop"
	unknownID = "X-Berth-Unknown-Id"
)

// ServeHTTP serves a container.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if !s.allow(r) {
		refuse(w, http.StatusTooManyRequests, "TooManyRequestsException", "the limit of requests is reached")
		return
	}
	s.mux.ServeHTTP(w, r)
}

// maxCallers bounds the memory of limiters. Beyond it, all are reset.
const maxCallers = 1000

func (s *Server) allow(r *http.Request) bool {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil {
		return true
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if len(s.callers) >= maxCallers {
		clear(s.callers)
	}
	limiter := s.callers[host]
	if limiter == nil {
		limiter = rate.NewLimiter(rate.Limit(s.cfg.RPS), s.cfg.Burst)
		s.callers[host] = limiter
	}
	return limiter.Allow()
}

// container finds the container whose id is in the path and answers with the result of view.
func (s *Server) container(view func(context.Context, *engine.Record, *engine.Box) (any, error)) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		t, b := s.find(r.PathValue("id"))
		if t == nil {
			s.unknown(w, r, http.StatusNotFound, "NotFoundException", "no container has this ID")
			return
		}
		v, err := view(r.Context(), t, b)
		if err != nil {
			s.cfg.Log.Warn("the answer to a container failed", "path", r.URL.Path, "error", err)
			refuse(w, http.StatusInternalServerError, "ServerException", "the answer is not available now")
			return
		}
		answer(w, v)
	}
}

func (s *Server) find(id string) (*engine.Record, *engine.Box) {
	for _, t := range s.cfg.Tasks() {
		for i := range t.Containers {
			if id != "" && t.Containers[i].EndpointID == id {
				return &t, &t.Containers[i]
			}
		}
	}
	return nil, nil
}

// unknown asks the other agents, and refuses if none knows the id.
func (s *Server) unknown(w http.ResponseWriter, r *http.Request, status int, code, text string) {
	if r.Header.Get(hop) == "" && s.askNeighbours(w, r) {
		return
	}
	w.Header().Set(unknownID, "1")
	refuse(w, status, code, text)
}

func (s *Server) askNeighbours(w http.ResponseWriter, r *http.Request) bool {
	for _, n := range s.cfg.Neighbours(r.Context()) {
		if s.ask(w, r, n) {
			return true
		}
	}
	return false
}

// ask passes the request on. It returns true if the other agent knew the id; then the request is answered.
func (s *Server) ask(w http.ResponseWriter, r *http.Request, n netip.AddrPort) bool {
	probe, cancel := context.WithTimeout(r.Context(), 2*time.Second)
	defer cancel()
	target := &url.URL{Scheme: "http", Host: n.String()}
	out, err := http.NewRequestWithContext(probe, http.MethodGet, target.JoinPath(r.URL.Path).String(), nil)
	if err != nil {
		return false
	}
	out.Header.Set(hop, "1")
	resp, err := s.neighbours.RoundTrip(out)
	if err != nil {
		return false // the other agent has ended
	}
	defer resp.Body.Close()
	if resp.Header.Get(unknownID) != "" {
		return false
	}
	if r.Method == http.MethodGet {
		w.Header().Set("Content-Type", resp.Header.Get("Content-Type"))
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body) // an error means that the container is gone
		return true
	}
	proxy := &httputil.ReverseProxy{Transport: s.neighbours, Rewrite: func(p *httputil.ProxyRequest) {
		p.SetURL(target)
		p.Out.Header.Set(hop, "1")
	}}
	proxy.ServeHTTP(w, r)
	return true
}

func answer(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error means that the container is gone
}

func refuse(w http.ResponseWriter, status int, code, text string) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(status)
	json.NewEncoder(w).Encode(map[string]any{"code": code, "message": text, "HTTPErrorCode": status})
}
