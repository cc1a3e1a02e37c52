package dispatch

import (
	"encoding/json"
	"net"
	"net/http"
	"net/netip"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/ecs"
)

// refusal is the answer to a refused handshake, in names that agents know (ecs-agent.md 4.1).
type refusal struct {
	status int
	name   string
	text   string
}

// notRunning refuses a session while Run is not running.
var notRunning = &refusal{
	http.StatusServiceUnavailable, "ServerException", "the control plane is starting or stopping",
}

func (r *refusal) write(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(r.status)
	// The agent has gone if this fails.
	_ = json.NewEncoder(w).Encode(map[string]string{r.name: r.text})
}

// ACS returns the handler for the sessions in which agents get their assignments: GET …/acs/ws.
func (d *Dispatcher) ACS() http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		ci, bad := d.admit(r, r.URL.Query().Get("containerInstanceArn"))
		if bad != nil {
			d.log.Info("an ACS handshake is refused", "why", bad.name, "text", bad.text)
			bad.write(w)
			return
		}
		s := newSession(d, ci.ContainerInstanceARN, hello(r))
		ctx, leave := d.enter(ci.ContainerInstanceARN, s)
		if ctx == nil {
			notRunning.write(w)
			return
		}
		conn, err := accept(w, r)
		if err != nil {
			leave()
			return
		}
		d.detached(func() {
			defer leave()
			s.serve(ctx, conn)
		})
	})
}

// admit decides whether the caller may open a session for the instance.
func (d *Dispatcher) admit(r *http.Request, instance string) (*ecs.ContainerInstance, *refusal) {
	who, err := d.cfg.Verifier.Verify(r, sigv4.EmptyPayload, time.Now())
	if err != nil {
		return nil, &refusal{http.StatusForbidden, "AccessDeniedException", err.Error()}
	}
	a, err := arn.Parse(instance)
	if err != nil || a.Type() != ecs.TypeContainerInstance {
		return nil, &refusal{
			http.StatusBadRequest, "InvalidInstanceException", "the container instance is not named by an ARN",
		}
	}
	if a.Account != who.Principal.Account || a.Region != who.Region {
		return nil, &refusal{http.StatusForbidden, "AccessDeniedException",
			"the container instance belongs to another account or region"}
	}
	ci, ok := d.store.View().ContainerInstances.Get(instance)
	id, machine := who.Principal.Instance()
	switch {
	// a caller that is not an instance may be an agent that was started with access keys
	case ok && machine && id != ci.EC2InstanceID:
		return nil, &refusal{http.StatusForbidden, "AccessDeniedException",
			"instance " + id + " is not this container instance"}
	case !ok:
		return nil, &refusal{http.StatusBadRequest, "InvalidInstanceException", "there is no such container instance"}
	case !ci.Present():
		return nil, &refusal{http.StatusBadRequest, acs.InactiveInstance, "the container instance is " + ci.Status}
	}
	return ci, nil
}

// greeting is what an agent says about itself when it connects.
type greeting struct {
	agentVersion, agentHash, dockerVersion string
	sendCredentials                        bool
	from                                   netip.Addr
	host                                   string // of the control plane, as the agent reaches it
}

// reach returns how tasks of another agent than Berth's own reach the services of the control
// plane. It returns nil for Berth's own, which finds the built-in registry and CloudWatch Logs by
// itself.
func (g *greeting) reach(scheme string) *reach {
	if g.agentHash == acs.BerthAgent {
		return nil
	}
	return &reach{host: g.host, url: scheme + "://" + g.host}
}

func hello(r *http.Request) greeting {
	q := r.URL.Query()
	g := greeting{
		agentVersion: q.Get("agentVersion"), agentHash: q.Get("agentHash"), dockerVersion: q.Get("dockerVersion"),
		sendCredentials: q.Get("sendCredentials") == "true", host: r.Host,
	}
	if !strings.HasPrefix(g.dockerVersion, "DockerVersion: ") && g.dockerVersion != "" {
		g.dockerVersion = "DockerVersion: " + g.dockerVersion
	}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		g.from, _ = netip.ParseAddr(host)
	}
	return g
}
