package state

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/berthhq/berth/internal/state/journal"
)

// Store keeps the tables. Its methods may be called concurrently.
type Store struct {
	journal journal.Journal
	log     *slog.Logger
	term    uint64
	durable atomic.Pointer[Snapshot]

	mu     sync.Mutex // guards what follows; held while the function of an Update runs
	staged *Snapshot  // the newest state, ahead of durable by the commits under way
	queue  []*commit  // staged, not yet handed to the journal
	last   *commit    // the newest commit, nil when nothing is under way
	refuse error      // not nil when updates are no longer taken
	seals  seals

	subsMu sync.Mutex // guards subs
	subs   map[*Subscription]struct{}

	wake       chan struct{}   // holds a token when queue may have grown
	open       context.Context // until Close
	close      context.CancelCauseFunc
	running    sync.WaitGroup
	compaction compaction
}

// commit is a set of changes on its way to the journal.
type commit struct {
	entry   journal.Entry
	changes []Change
	done    chan struct{} // closed when err is final
	err     error
}

// Open builds the store from what the journal holds and takes over as its
// writer: an older store on the same journal is refused from the first update
// of this one on. The store owns the journal and closes it.
func Open(ctx context.Context, j journal.Journal, logger *slog.Logger) (*Store, error) {
	s := &Store{
		journal: j,
		log:     logger,
		subs:    make(map[*Subscription]struct{}),
		wake:    make(chan struct{}, 1),
	}
	s.open, s.close = context.WithCancelCause(context.Background())
	if err := s.replay(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("state: reading the journal: %w", err), j.Close())
	}
	s.running.Go(s.commitAll)
	return s, nil
}

func (s *Store) replay(ctx context.Context) error {
	l, rev := newLoader(), uint64(0)
	for e, err := range s.journal.Replay(ctx, 0) {
		if err == nil {
			err = l.load(e.Data)
		}
		if err != nil {
			return fmt.Errorf("revision %d: %w", e.Rev, err)
		}
		rev, s.term = e.Rev, e.Term
		s.compaction.read(e)
	}
	s.term++
	now := l.tx.end(rev).seal()
	s.staged = now
	s.durable.Store(now)
	for t := range now.list() {
		for key, v := range t.each() {
			s.seals.put(t.title(), key, v)
		}
	}
	return nil
}

// View returns the last durable revision.
func (s *Store) View() *Snapshot { return s.durable.Load() }

// Subscribe starts collecting the keys that mapper names for each change that
// becomes durable from now on. The mapper is called on the committer's
// goroutine, so it must be quick and must not wait: of the store it may ask View,
// which has the change, and nothing else. At first nothing is dirty: callers begin
// by treating every key as dirty.
func (s *Store) Subscribe(mapper func(Change) []string) *Subscription {
	sub := &Subscription{
		mapper: mapper,
		wake:   make(chan struct{}, 1),
		closed: make(chan struct{}),
		dirty:  make(map[string]struct{}),
	}
	sub.leave = func(sub *Subscription) {
		s.subsMu.Lock()
		defer s.subsMu.Unlock()
		delete(s.subs, sub)
	}
	s.subsMu.Lock()
	defer s.subsMu.Unlock()
	s.subs[sub] = struct{}{}
	return sub
}

// Close refuses further updates, waits for the ones under way, ends the
// subscriptions and closes the journal. Snapshots stay readable. A second Close
// returns ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	again := errors.Is(s.refuse, ErrClosed)
	s.refuse = ErrClosed
	s.mu.Unlock()
	if again {
		return ErrClosed
	}
	s.close(ErrClosed)
	s.running.Wait()
	s.checkAll()
	for _, sub := range s.subscriptions() {
		sub.Close()
	}
	return s.journal.Close()
}

func (s *Store) checkAll() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seals.check(math.MaxInt)
}

func (s *Store) subscriptions() []*Subscription {
	s.subsMu.Lock()
	defer s.subsMu.Unlock()
	return slices.Collect(maps.Keys(s.subs))
}
