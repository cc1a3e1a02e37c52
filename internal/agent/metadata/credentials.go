package metadata

import (
	"net/http"
	"sync"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/engine"
)

// Credentials stores the credentials of tasks' roles.
type Credentials struct {
	mu   sync.Mutex // guards byID
	byID map[string]held
}

type held struct {
	task        string
	credentials acs.RoleCredentials
}

// NewCredentials returns an empty store.
func NewCredentials() *Credentials { return &Credentials{byID: map[string]held{}} }

// Put stores credentials of a task and replaces those with the same id.
func (c *Credentials) Put(taskARN string, rc acs.RoleCredentials) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.byID[rc.ID] = held{taskARN, rc}
}

// Get returns the credentials with the id.
func (c *Credentials) Get(id string) (acs.RoleCredentials, bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	h, ok := c.byID[id]
	return h.credentials, ok
}

// Forget removes the credentials of tasks that have stopped.
func (c *Credentials) Forget(stopped func(taskARN string) bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	for id, h := range c.byID {
		if stopped(h.task) {
			delete(c.byID, id)
		}
	}
}

// credentials serves GET /v2/credentials/{id}.
func (s *Server) credentials(w http.ResponseWriter, r *http.Request) {
	id := r.PathValue("id")
	live, known := s.usesCredentials(id)
	c, ok := s.cfg.Credentials.Get(id)
	switch {
	case !known:
		s.unknown(w, r, http.StatusBadRequest, "InvalidIdInRequest",
			"CredentialsV2Request: no credentials have this ID")
	case !live:
		refuse(w, http.StatusBadRequest, "InvalidIdInRequest",
			"CredentialsV2Request: the task of these credentials has stopped")
	case !ok:
		// After a restart of the agent the control plane sends them again (ecs-agent.md 8).
		refuse(w, http.StatusServiceUnavailable, "CredentialsUninitialized",
			"CredentialsV2Request: the credentials have not arrived yet")
	default:
		answer(w, map[string]string{
			"RoleArn": c.RoleARN, "AccessKeyId": c.AccessKeyID, "SecretAccessKey": c.SecretAccessKey,
			"Token":      c.SessionToken,
			"Expiration": c.Expiration,
		})
	}
}

// usesCredentials reports whether a task of this agent has credentials with that id, and whether it is still
// running.
func (s *Server) usesCredentials(id string) (live, known bool) {
	for _, t := range s.cfg.Tasks() {
		if id != "" && (t.RoleCredentialsID == id || t.ExecutionCredentialsID == id) {
			return t.Status != engine.StatusStopped, true
		}
	}
	return false, false
}
