package server

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// An instance that is launched while a reset, or the clean-up at the start, looks for leftovers is not taken for one:
// it has its row before it has a directory, and directories are listed before rows.
func TestKnownIsAskedLate(t *testing.T) {
	s := run(t, nil)
	known := s.known()
	in := &fleet.Instance{ID: "i-0123456789abcdef0", Region: "us-east-1", Account: s.cfg.Account,
		Desired: fleet.Stopped, State: fleet.Stopped}
	if err := s.store.Update(t.Context(), func(tx *state.Tx) error { tx.Instances.Put(in); return nil }); err != nil {
		t.Fatal(err)
	}
	if !known(in.ID) || known("i-00000000000000000") {
		t.Errorf("known: %v, another one: %v", known(in.ID), known("i-00000000000000000"))
	}
}

// A reset with ?wait=all answers with what could not be removed, once each and with a command that removes it. Errors
// of one instance stay together.
func TestCauses(t *testing.T) {
	one := errors.New("network berth-us-east-1a stays in Docker: in use; remove it with: docker network " +
		"rm berth-us-east-1a")
	two := fmt.Errorf("instance i-1: %w", errors.Join(errors.New("a"), errors.New("b")))
	got := causes(errors.Join(errors.Join(two, nil, one), one))
	if want := []string{"instance i-1: a; b", one.Error()}; !slices.Equal(got, want) {
		t.Errorf("causes = %q, want %q", got, want)
	}
	if got := causes(nil); got == nil || len(got) != 0 {
		t.Errorf("causes of nothing = %#v", got)
	}
}

// With ?wait=all a reset reports what is left, which is nothing here.
func TestResetAnswersWhenAllIsGone(t *testing.T) {
	s := run(t, func(c *Config) { c.DevCredentials = true })
	resp, err := http.Post(s.url()+"/_berth/reset?wait=all", "", nil)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	var answer struct{ Left []string }
	if err := json.NewDecoder(resp.Body).Decode(&answer); err != nil || resp.StatusCode != http.StatusOK ||
		answer.Left == nil || len(answer.Left) != 0 {
		t.Errorf("reset?wait=all = %d, %+v, %v", resp.StatusCode, answer, err)
	}
}

// If a caller uses a key of another server, which may have had this address before, nothing is removed, although with
// development credentials a caller that does not sign may reset.
func TestResetWithTheKeyOfAnotherServer(t *testing.T) {
	s := run(t, func(c *Config) { c.DevCredentials = true })
	by := func(id, secret string) func(*http.Request) {
		return func(r *http.Request) {
			sigv4.Sign(r, sigv4.Credentials{AccessKeyID: id, SecretAccessKey: secret}, "us-east-1", "berth",
				sigv4.EmptyPayload, time.Now())
		}
	}
	for _, tt := range []struct {
		name string
		edit func(*http.Request)
		code int
	}{
		{"another server's key", by("AKIAIOSFODNN7EXAMPLE", "another"), http.StatusForbidden},
		{"a wrong secret", by("test", "another"), http.StatusForbidden},
		{"test/test", by("test", "test"), http.StatusNoContent},
		{"nobody", nil, http.StatusNoContent},
		{"the owner", sign(s, "berth", ""), http.StatusNoContent},
	} {
		createCluster(t, s, "c")
		code, body := do(t, s, "POST", "/_berth/reset", "", tt.edit)
		left := 0
		if tt.code == http.StatusForbidden {
			left = 1
		}
		if n := s.store.View().Clusters.Len(); code != tt.code || n != left {
			t.Errorf("reset by %s = %d %s, and leaves %d clusters", tt.name, code, body, n)
		}
	}
}
