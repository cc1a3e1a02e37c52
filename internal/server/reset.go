package server

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/state"
)

// resetTime bounds a reset, and what of it goes on when it has been answered.
const resetTime = time.Minute

// Reset makes the server as new: every row of the state is gone, and with them containers, agents, caches, images and logs. Access keys
// stay. Calls that come meanwhile see the old world or the empty one.
//
// It calls answer once nothing of the old world runs, can be reached or can be read; what Docker needs far longer for, to take dead containers apart, is
// done when Reset returns, and no agent of the new world starts before that (docs/decisions/0158-reset-answers-when-all-is-dead.md).
func (s *Server) Reset(ctx context.Context, answer func()) error {
	ctx, cancel := context.WithTimeout(ctx, resetTime)
	defer cancel()
	s.resetting.Lock()
	next := sync.OnceFunc(s.resetting.Unlock)
	defer next()
	if err := s.store.Update(ctx, func(tx *state.Tx) error { b := tx.Block(); tx.Clear(); tx.Blocks.Put(b); return nil }); err != nil {
		return err
	}
	// The rows are gone, so that nothing is started again; what they stood for goes now.
	remains := []func(gone func()) error{
		func(gone func()) error { return s.machines.Clean(ctx, s.known(), gone) },
		func(func()) error { return empty(ctx, s.dir.Sub("cache")) },
		func(func()) error { return s.logs.Keep(func(string) bool { return false }) },
		func(func()) error { return s.blobs.Reset() },
		func(func()) error { return s.store.Compact(ctx) },
	}
	var left atomic.Int64
	left.Store(int64(len(remains)))
	errs := make([]error, len(remains))
	var all sync.WaitGroup
	for i, remove := range remains {
		all.Go(func() {
			gone := sync.OnceFunc(func() {
				if left.Add(-1) == 0 {
					next()
					answer()
				}
			})
			if errs[i] = remove(gone); errs[i] == nil {
				gone()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// known tells the instances that have a row when it is first asked: whoever lists directories before that takes no new instance for a forgotten
// one, since an instance has its row before it has its directory.
func (s *Server) known() func(id string) bool {
	ids := sync.OnceValue(func() map[string]bool {
		ids := map[string]bool{}
		for i := range s.store.View().Instances.All() {
			ids[i.ID] = true
		}
		return ids
	})
	return func(id string) bool { return ids()[id] }
}

// sweep ends instances that have no row: those that a reset was about to end when this server was killed. A reset that comes meanwhile
// must not answer before they are dead.
func (s *Server) sweep(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, resetTime)
	defer cancel()
	s.resetting.Lock()
	next := sync.OnceFunc(s.resetting.Unlock)
	defer next()
	if err := s.machines.Clean(bounded, s.known(), next); err != nil && ctx.Err() == nil {
		s.cfg.Logger.Warn("instances that nobody knows could not be removed", "err", err)
	}
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
	if !s.cfg.DevCredentials && !s.owner(r) {
		http.Error(w, "reset removes everything: it needs the access key of this server's data directory (berth reset signs with it), "+
			"or a server that was started with --dev-credentials", http.StatusForbidden)
		return
	}
	dead, done := make(chan struct{}), make(chan error, 1)
	ctx := context.WithoutCancel(r.Context())
	s.background.Go(func() {
		err := s.Reset(ctx, func() { close(dead) })
		if err != nil {
			s.cfg.Logger.Error("reset", "err", err)
		}
		done <- err
	})
	select {
	case <-dead:
	case err := <-done:
		if err != nil {
			http.Error(w, "reset was not complete: "+err.Error(), http.StatusInternalServerError)
			return
		}
	}
	w.WriteHeader(http.StatusNoContent)
}
