package server

import (
	"errors"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// A reset cannot forget a store: every part that stores something in the data directory says how it is reset or why
// not, and everything in the directory belongs to a part.
func TestEveryStoreIsReset(t *testing.T) {
	s := run(t, func(c *Config) { c.DevCredentials = true })
	names, stores := map[string]bool{}, map[string]string{}
	for _, p := range s.parts() {
		if names[p.name] {
			t.Errorf("two parts are called %s", p.name)
		}
		names[p.name] = true
		if len(p.stores) > 0 && (p.reset == nil) == (p.keeps == "") {
			t.Errorf("part %s stores %v: it has to say how it is reset, or why a reset leaves it alone",
				p.name, p.stores)
		}
		if p.leads && p.run == nil {
			t.Errorf("part %s leads, and nothing of it runs", p.name)
		}
		for _, name := range p.stores {
			if other := stores[name]; other != "" {
				t.Errorf("%s and %s store %s", other, p.name, name)
			}
			stores[name] = p.name
		}
	}
	createCluster(t, s, "c")
	if code, answer := do(t, s, "GET", "/_berth/ca.pem", "", nil); code != 200 {
		t.Fatalf("ca.pem = %d %s", code, answer)
	}
	entries, err := os.ReadDir(s.dir.Path)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if stores[e.Name()] == "" {
			t.Errorf("no part says that it stores %s", e.Name())
		}
	}
}

// A name that no part stores is refused, so that the list stays complete.
func TestStorageIsDeclared(t *testing.T) {
	s := run(t, nil)
	if got := s.storage("cache"); !strings.HasPrefix(got, s.dir.Path) {
		t.Errorf("caches are in %s", got)
	}
	defer func() {
		if recover() == nil {
			t.Error("a store that no part has was given a place")
		}
	}()
	s.storage("something-new")
}

// A reset waits for the caches that control/cache has removed.
func TestResetRemovesCaches(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // without redis-server a cache is served inside this process
	if _, err := exec.LookPath("redis-server"); err == nil {
		t.Fatal("redis-server is found on an empty PATH")
	}
	s := run(t, nil)
	const arn = "arn:aws:elasticache:us-east-1:123456789012:cluster:chat"
	err := s.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.CacheClusters.Put(&cache.Cluster{
			ARN: arn, ID: "chat", Region: "us-east-1", Account: s.cfg.Account, Status: cache.Creating, Engine: "redis",
		})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	settle(t, s, "the cache serves", func(v *state.Snapshot) bool {
		c, ok := v.CacheClusters.Get(arn)
		return ok && c.Status == cache.Available
	})
	if served, err := s.caches.Served(); err != nil || !slices.Equal(served, []string{arn}) {
		t.Errorf("served %v, %v", served, err)
	}
	if err := s.Reset(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
	if served, err := s.caches.Served(); err != nil || len(served) > 0 {
		t.Errorf("served after a reset: %v, %v", served, err)
	}
}

// A server that was opened and does not lead has written nothing to the state. It answers requests that read.
func TestOpenedServerDoesNotLead(t *testing.T) {
	s, err := New(t.Context(), Config{
		Data: t.TempDir(), Listen: "127.0.0.1:0", Region: "us-east-1", Account: "123456789012", EdgeAddr: "127.0.0.1",
		AgentCommand: []string{"/nonexistent"},
	})
	if err != nil {
		t.Fatal(err)
	}
	defer s.Close()
	if rev := s.store.View().Rev; rev != 0 {
		t.Errorf("opening wrote revision %d", rev)
	}
	err = s.store.Update(t.Context(), func(tx *state.Tx) error { tx.Clear(); return nil })
	if !errors.Is(err, fault.New("ServerException", "")) {
		t.Errorf("an update before it leads: %v", err)
	}
}
