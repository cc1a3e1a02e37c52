package state

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"math"
	"slices"
	"sync"
	"sync/atomic"

	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state/journal"
)

// Store keeps the tables. Its methods may be called concurrently.
type Store struct {
	journal journal.Journal
	log     *slog.Logger
	term    uint64
	durable atomic.Pointer[Snapshot]

	mu     sync.Mutex  // guards what follows; held while the function of an Update runs
	staged *Snapshot   // the newest state; ahead of durable by the commits in progress
	queue  []*commit   // commits in staged that were not handed to the journal yet
	last   *commit     // the newest commit; nil if none is in progress
	refuse error       // if not nil, updates are refused with it
	old    oldServices // rows for Lead to convert
	seals  seals

	subsMu sync.Mutex // guards subs
	subs   map[subscriber]struct{}

	wake       chan struct{}   // has a token when queue may have grown
	open       context.Context // cancelled by Close
	close      context.CancelCauseFunc
	running    sync.WaitGroup
	compaction compaction
}

// commit is the set of changes of one or more updates on the way to the journal.
type commit struct {
	entry   journal.Entry
	changes []change
	done    chan struct{} // closed when err is final
	err     error
}

// Open calls Load and then Lead.
func Open(ctx context.Context, j journal.Journal, logger *slog.Logger) (*Store, error) {
	s, err := Load(ctx, j, logger)
	if err != nil {
		return nil, err
	}
	if err := s.Lead(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// errFollows is the answer to updates while the store does not lead.
var errFollows = fault.New("ServerException", "The change was not made: this server does not lead. Reading works.").
	WithStatus(500)

// Load builds a store from the journal. It writes nothing, and the store can only be read until
// Lead is called. The store owns the journal and closes it.
func Load(ctx context.Context, j journal.Journal, logger *slog.Logger) (*Store, error) {
	s := &Store{
		journal: j,
		log:     logger,
		refuse:  errFollows,
		subs:    make(map[subscriber]struct{}),
		wake:    make(chan struct{}, 1),
	}
	s.open, s.close = context.WithCancelCause(context.Background())
	var err error
	if s.old, err = s.replay(ctx); err != nil {
		return nil, errors.Join(fmt.Errorf("state: reading the journal: %w", err), j.Close())
	}
	s.running.Go(s.commitAll)
	return s, nil
}

// Lead makes the store the journal's writer. From its first update on, an older store on the same
// journal is refused. Lead converts rows of older versions in one update. It may be called once.
func (s *Store) Lead(ctx context.Context) error {
	s.mu.Lock()
	if s.refuse != errFollows {
		defer s.mu.Unlock()
		return fmt.Errorf("state: a store leads once, and not after Close: %w",
			cmp.Or(s.refuse, errors.New("it leads already")))
	}
	s.term++
	s.refuse = nil
	old := s.old
	s.old = nil
	s.mu.Unlock()
	if len(old) == 0 && s.View().Tokens.Len() == 0 {
		return nil
	}
	err := s.Update(ctx, func(tx *Tx) error {
		convertTokens(tx)
		return old.convert(tx)
	})
	if err != nil {
		return fmt.Errorf("state: converting the rows of an older version: %w", err)
	}
	return nil
}

func (s *Store) replay(ctx context.Context) (oldServices, error) {
	l, rev := newLoader(), uint64(0)
	for e, err := range s.journal.Replay(ctx, 0) {
		if err == nil {
			err = l.load(e.Data)
		}
		if err != nil {
			return nil, fmt.Errorf("revision %d: %w", e.Rev, err)
		}
		rev, s.term = e.Rev, e.Term
		s.compaction.read(e)
	}
	now := l.tx.end(rev).seal()
	s.staged = now
	s.durable.Store(now)
	for t := range now.list() {
		for key, v := range t.each() {
			s.seals.put(t.title(), key, v)
		}
	}
	return l.old.unconverted(&now.Tables), nil
}

// View returns the last durable revision.
func (s *Store) View() *Snapshot { return s.durable.Load() }

// Close refuses further updates, waits for those in progress, ends the subscriptions and closes the
// journal. Snapshots stay readable. A second Close returns ErrClosed.
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

func (s *Store) subscriptions() []subscriber {
	s.subsMu.Lock()
	defer s.subsMu.Unlock()
	return slices.Collect(maps.Keys(s.subs))
}
