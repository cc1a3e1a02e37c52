package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/state"
)

// Reset makes the server as new: every row of the state is gone, and with them containers, agents, caches, images and logs. Access keys
// stay. Calls that come meanwhile see the old world or the empty one.
func (s *Server) Reset(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	zones := make(map[string]bool)
	err := s.store.Update(ctx, func(tx *state.Tx) error {
		for i := range tx.Instances.All() {
			zones[i.Zone] = true
		}
		tx.Clear()
		return nil
	})
	if err != nil {
		return err
	}
	// The rows are gone, so that nothing is started again; what they stood for goes now.
	defer s.removeLeftovers(ctx, zones)
	remains := []func() error{
		func() error { return s.machines.Clean(ctx) },
		func() error { return empty(ctx, s.dir.Sub("cache")) },
		func() error { return s.logs.Keep(func(string) bool { return false }) },
		s.blobs.Reset,
	}
	errs := make([]error, len(remains))
	var all sync.WaitGroup
	for i, remove := range remains {
		all.Go(func() { errs[i] = remove() })
	}
	all.Wait()
	return errors.Join(errs...)
}

// empty waits until a controller has removed everything below dir.
func empty(ctx context.Context, dir string) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		entries, err := os.ReadDir(dir)
		if errors.Is(err, fs.ErrNotExist) || err == nil && len(entries) == 0 {
			return nil
		}
		if err != nil {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("%s is not empty: %w", dir, context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// resetHandler is POST /_berth/reset.
func (s *Server) resetHandler(w http.ResponseWriter, r *http.Request) {
	if !s.cfg.DevCredentials {
		http.Error(w, "reset removes everything, so it is only allowed on a server that was started with --dev-credentials", http.StatusForbidden)
		return
	}
	if err := s.Reset(r.Context()); err != nil {
		s.cfg.Logger.Error("reset", "err", err)
		http.Error(w, "reset was not complete: "+err.Error(), http.StatusInternalServerError)
		return
	}
	w.WriteHeader(http.StatusNoContent)
}
