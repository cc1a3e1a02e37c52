package registry

import (
	"log/slog"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	account = "123456789012"
	region  = "us-east-1"
)

// rig is a registry with a store of its own, which can be called over HTTP.
type rig struct {
	*Registry
	store     *state.Store
	passwords *Passwords
	access    *Access
	server    *httptest.Server
	host      string
}

func newRig(t *testing.T, change func(*Config)) *rig {
	t.Helper()
	store, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { store.Close() })
	blobs, err := blob.Open(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	cfg := Config{Account: account, Region: region, Now: time.Now, Logger: slog.New(slog.DiscardHandler)}
	if change != nil {
		change(&cfg)
	}
	passwords, err := NewPasswords(make([]byte, 32))
	if err != nil {
		t.Fatal(err)
	}
	keys := identity.NewKeyRing(identity.AccessKey{ID: "AKIATEST", Secret: "secret", Principal: identity.Root(account)})
	r := &rig{Registry: New(cfg, store, blobs), store: store, passwords: passwords,
		access: &Access{Passwords: passwords, Keys: keys, Now: cfg.Now}}
	r.server = httptest.NewServer(NewHandler(r.Registry, r.access, cfg.Logger))
	t.Cleanup(r.server.Close)
	r.host = r.server.Listener.Addr().String()
	return r
}

func (r *rig) create(t *testing.T, region, name, mutability string) {
	t.Helper()
	repo := repository.New(region, account, name, time.Now())
	repo.TagMutability = mutability
	err := r.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.Repositories.Put(repo)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
