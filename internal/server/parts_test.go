package server

import (
	"bytes"
	"errors"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/machine/local"
	"github.com/berthhq/berth/internal/meter"
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

// A reset removes what the parts store: a name that was given to something in each store is in no file any more. The
// test fails for a new part that stores something until it puts something with that name there.
func TestResetRemovesWhatIsStored(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // without redis-server a cache is served inside this process
	const name, id = "removedbyreset", "i-0123456789abcdef0"
	s := run(t, func(c *Config) { // instances whose containers would be in no Docker
		dir := filepath.Join(c.Data, "instances")
		c.Machines = local.New(local.Config{Dir: dir, Logger: slog.New(slog.DiscardHandler)})
	})
	createCluster(t, s, name)
	startCache(t, s, name)
	now := time.Now()
	_, err := s.blobs.Put([]byte(name))
	err = errors.Join(err, s.logs.Append(name, name, now, []logstore.Entry{{Time: now.UnixMilli(), Message: name}}),
		s.points.Put(now, []meter.Datum{{Metric: meter.Metric{Scope: "s", Namespace: name, Name: name}, At: now,
			Summary: meter.StatisticSet(1, 1, 1, 1)}}),
		// Without the row, the directory would be a leftover, which goes at the start.
		s.store.Update(t.Context(), func(tx *state.Tx) error {
			tx.Instances.Put(&fleet.Instance{ID: id, Region: "us-east-1", Account: s.cfg.Account,
				Desired: fleet.Stopped, State: fleet.Stopped})
			return nil
		}),
		os.MkdirAll(filepath.Join(s.storage("instances"), id, name), 0o700),
		s.points.Tick(now))
	if err != nil {
		t.Fatal(err)
	}
	block := *s.store.View().Block()
	for _, p := range s.parts() {
		if p.reset != nil && !s.stores(t, p, name) {
			t.Errorf("nothing in %v of part %s has the name %s", p.stores, p.name, name)
		}
	}
	if err := s.Reset(t.Context(), func() {}); err != nil {
		t.Error(err)
	}
	for _, p := range s.parts() {
		if p.reset != nil && s.stores(t, p, name) {
			t.Errorf("after a reset %v of part %s still has the name %s", p.stores, p.name, name)
		}
	}
	if after, ok := s.store.View().Blocks.Get(fleet.BlockKey); !ok || *after != block {
		t.Errorf("a reset made the block %v of %v", after, block)
	}
}

// stores reports whether a name is in the path or the content of a file or directory of a part.
func (s *Server) stores(t *testing.T, p part, name string) (found bool) {
	t.Helper()
	for _, place := range p.stores {
		err := filepath.WalkDir(s.dir.Sub(place), func(path string, e fs.DirEntry, err error) error {
			if err != nil || found {
				return err
			}
			found = strings.Contains(path, name)
			if e.Type().IsRegular() && !found {
				content, err := os.ReadFile(path)
				found = bytes.Contains(content, []byte(name))
				return err
			}
			return nil
		})
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	return found
}

// startCache waits until an in-process cache serves, and returns its ARN.
func startCache(t *testing.T, s *Server, id string) (arn string) {
	t.Helper()
	if _, err := exec.LookPath("redis-server"); err == nil {
		t.Fatal("redis-server is found on an empty PATH")
	}
	arn = "arn:aws:elasticache:us-east-1:123456789012:cluster:" + id
	err := s.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.CacheClusters.Put(&cache.Cluster{
			ARN: arn, ID: id, Region: "us-east-1", Account: s.cfg.Account, Status: cache.Creating, Engine: "redis",
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
	return arn
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
	s := run(t, nil)
	arn := startCache(t, s, "chat")
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
