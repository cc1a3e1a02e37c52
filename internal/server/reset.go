package server

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/state"
)

// resetTime bounds a reset, including the work after its answer.
const resetTime = time.Minute

// Reset returns the server to the state of a new one: every row is deleted, and with them containers, agents,
// caches, images and logs. Access keys stay. Calls at the same time see the state before it or an empty one.
//
// Reset calls answer once nothing that was deleted runs, can be reached or can be read. Docker needs much
// longer to remove dead containers; that is complete when Reset returns, and no agent of a new instance starts
// before (docs/decisions/0158-reset-answers-when-all-is-dead.md).
func (s *Server) Reset(ctx context.Context, answer func()) error {
	ctx, cancel := context.WithTimeout(ctx, resetTime)
	defer cancel()
	s.resetting.Lock()
	next := sync.OnceFunc(s.resetting.Unlock)
	defer next()
	if err := s.store.Update(ctx,
		func(tx *state.Tx) error { b := tx.Block(); tx.Clear(); tx.Blocks.Put(b); return nil }); err != nil {
		return err
	}
	// The rows are gone, so nothing is started again. Now remove what they described.
	var remains []func(context.Context, func()) error
	for _, p := range s.opened {
		if p.reset != nil {
			remains = append(remains, p.reset)
		}
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
			if errs[i] = remove(ctx, gone); errs[i] == nil {
				gone()
			}
		})
	}
	all.Wait()
	return errors.Join(errs...)
}

// known returns a function that reports whether an instance has a row, as of its first call. Call it first
// after listing directories: rows are written before directories, so a new instance is never mistaken for a
// leftover.
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

// sweep ends instances that have no row: leftovers of a reset during which the server was killed. A reset that
// starts meanwhile must not answer before they are dead.
func (s *Server) sweep(ctx context.Context) {
	bounded, cancel := context.WithTimeout(ctx, resetTime)
	defer cancel()
	s.resetting.Lock()
	next := sync.OnceFunc(s.resetting.Unlock)
	defer next()
	if err := s.machines.Clean(bounded, s.known(), next); err != nil && ctx.Err() == nil {
		s.cfg.Logger.Warn("what an earlier reset began could not be finished", "err", err)
	}
}

// noCaches waits until control/cache has had every cache removed.
func (s *Server) noCaches(ctx context.Context) error {
	tick := time.NewTicker(10 * time.Millisecond)
	defer tick.Stop()
	for {
		served, err := s.caches.Served()
		if err != nil || len(served) == 0 {
			return err
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("caches are left: %s: %w", strings.Join(served, ", "), context.Cause(ctx))
		case <-tick.C:
		}
	}
}

// resetHandler serves POST /_berth/reset. It answers when everything is dead, or with ?wait=all when Docker has
// removed everything; then the answer lists what could not be removed. With ?stop=true the caller is going to stop
// the server, so it is refused at once if it may not.
func (s *Server) resetHandler(w http.ResponseWriter, r *http.Request) {
	if !s.mayReset(r) {
		http.Error(w, "reset removes everything: it needs the access key of this server's data directory "+
			"(berth reset signs with it), or a server that was started with --dev-credentials and no signature "+
			"by another key; nothing was removed", http.StatusForbidden)
		return
	}
	s.cfg.Logger.Info("reset: everything is removed", "from", r.RemoteAddr)
	if r.URL.Query().Get("stop") == "true" && !s.owner(r) {
		http.Error(w, mayNotStop+", so nothing was removed; berth reset removes everything and does not stop it",
			http.StatusForbidden)
		return
	}
	dead, done := make(chan struct{}), make(chan error, 1)
	ctx := context.WithoutCancel(r.Context())
	s.background.Go(func() {
		err := s.Reset(ctx, func() { close(dead) })
		if err != nil {
			s.cfg.Logger.Error("a reset has left something behind", "err", err)
		}
		done <- err
	})
	if r.URL.Query().Get("wait") == "all" {
		_ = http.NewResponseController(w).SetWriteDeadline(time.Time{}) // it may have no deadlines
		w.Header().Set("Content-Type", "application/json")
		// an error means that the caller has gone
		_ = json.NewEncoder(w).Encode(struct{ Left []string }{causes(<-done)})
		return
	}
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

// mayReset reports whether a caller may remove everything: the owner of the data directory, and with development
// credentials also a caller who signs with a key of this server or does not sign. A caller who signs with another
// key means another server, which may have listened at this address before.
func (s *Server) mayReset(r *http.Request) bool {
	if !s.cfg.DevCredentials {
		return s.owner(r)
	}
	_, err := s.verifier.Verify(r, sigv4.EmptyPayload, time.Now())
	return err == nil || r.Header.Get("Authorization") == "" && !r.URL.Query().Has("X-Amz-Signature")
}

// causes returns the texts of joined errors, each once and on one line.
func causes(err error) []string {
	texts := []string{}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		for _, e := range joined.Unwrap() {
			texts = append(texts, causes(e)...)
		}
	} else if err != nil {
		texts = append(texts, strings.ReplaceAll(err.Error(), "\n", "; "))
	}
	slices.Sort(texts)
	return slices.Compact(texts)
}
