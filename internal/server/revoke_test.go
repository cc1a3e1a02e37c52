package server

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// An instance's credentials are refused as soon as its termination was requested, and not only when they expire.
func TestTerminationRevokesCredentials(t *testing.T) {
	s := run(t, nil)
	// It is stopped from the start, so that no machine is made for it.
	in := &fleet.Instance{ID: "i-0123456789abcdef0", Region: "us-east-1", Account: s.cfg.Account,
		Desired: fleet.Stopped, State: fleet.Stopped}
	put := func(edit func(*fleet.Instance)) {
		t.Helper()
		err := s.store.Update(t.Context(), func(tx *state.Tx) error {
			c := in.Clone()
			edit(c)
			tx.Instances.Put(c)
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	key, err := instanceKeys{s.minter}.InstanceKey(t.Context(), in)
	if err != nil || time.Until(key.Expires) > instanceKeyLife {
		t.Fatalf("a key until %v, %v", key.Expires, err)
	}
	call := func() (int, string) {
		t.Helper()
		return do(t, s, "POST", "/", "{}", func(r *http.Request) {
			r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters")
			r.Header.Set("Content-Type", "application/x-amz-json-1.1")
			c := sigv4.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret, SessionToken: key.Token}
			sigv4.Sign(r, c, "us-east-1", "ecs", sigv4.HashPayload([]byte("{}")), time.Now())
		})
	}
	refused := func(when string) {
		t.Helper()
		if code, body := call(); code != http.StatusBadRequest ||
			!strings.Contains(body, "UnrecognizedClientException") {
			t.Errorf("%s: %d %s", when, code, body)
		}
	}
	refused("before it is there")
	put(func(*fleet.Instance) {})
	if code, body := call(); code != http.StatusOK {
		t.Fatalf("while it is there: %d %s", code, body)
	}
	put(func(c *fleet.Instance) { c.Desired = fleet.Terminated })
	refused("when it is being terminated")
}
