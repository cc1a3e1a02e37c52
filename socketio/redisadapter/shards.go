package redisadapter

import (
	"context"
	"errors"
	"maps"
	"slices"
	"sync"
	"sync/atomic"
	"time"

	"github.com/redis/go-redis/v9"
)

// shards are the subscriptions of a sharded hub on Redis Cluster. A channel has a slot like a key,
// and only the master of that slot has its messages, so there is a connection to each master with
// channels of ours. Whenever subscriptions or slots may have changed, what is subscribed is
// compared with what should be. A connection that fails is replaced.
type shards struct {
	h  *hub
	cc *redis.ClusterClient

	mu    sync.Mutex
	feeds map[string]*redis.PubSub // by address
	where map[string]string        // the address at which a channel is subscribed

	whole atomic.Bool // everything is subscribed, as far as is known
}

func newShards(h *hub, cc *redis.ClusterClient) *shards {
	return &shards{h: h, cc: cc, feeds: make(map[string]*redis.PubSub), where: make(map[string]string)}
}

// run subscribes until ctx is done.
func (s *shards) run(ctx context.Context) {
	var again <-chan time.Time
	wait := retryFirst
	for {
		select {
		case <-ctx.Done():
			s.close()
			return
		case <-s.h.changed:
		case <-again:
		}
		err := s.settle(ctx)
		if err == nil {
			again, wait = nil, retryFirst
			continue
		}
		if ctx.Err() == nil {
			s.h.down(err)
			s.cc.ReloadState(ctx)
		}
		again = time.After(wait)
		wait = min(wait*2, retryMost)
	}
}

// wanted returns the channels that handlers listen to.
func (h *hub) wanted() map[string]bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.changes = nil
	all := make(map[string]bool, len(h.routes))
	for ch := range h.routes {
		all[ch] = true
	}
	return all
}

// settle makes the missing subscriptions and removes wrong ones, as far as possible.
func (s *shards) settle(ctx context.Context) error {
	wanted := s.h.wanted()
	s.mu.Lock()
	defer s.mu.Unlock()
	ctx, cancel := context.WithTimeout(ctx, subscribeTimeout)
	defer cancel()
	var failed error
	for ch, addr := range maps.Clone(s.where) {
		if !wanted[ch] {
			delete(s.where, ch)
			failed = errors.Join(failed, s.feeds[addr].SUnsubscribe(ctx, ch))
		}
	}
	for ch := range wanted {
		if err := s.place(ctx, ch); err != nil {
			failed = errors.Join(failed, err)
		}
	}
	used := slices.Collect(maps.Values(s.where))
	for addr, feed := range s.feeds {
		if !slices.Contains(used, addr) {
			delete(s.feeds, addr)
			_ = feed.Close() // its receiver ends
		}
	}
	s.whole.Store(failed == nil)
	return failed
}

// place subscribes to a channel at the master of its slot. Channels go one by one: those of one command
// would have to be of one slot.
func (s *shards) place(ctx context.Context, ch string) error {
	master, err := s.cc.MasterForKey(ctx, ch)
	if err != nil {
		return err
	}
	addr := master.Options().Addr
	old, ok := s.where[ch]
	if ok && old == addr {
		return nil
	}
	if ok {
		delete(s.where, ch)
		_ = s.feeds[old].SUnsubscribe(ctx, ch) // the slot has moved away from there
	}
	feed := s.feeds[addr]
	if feed == nil {
		feed = master.Subscribe(s.h.ctx)
		s.feeds[addr] = feed
		s.h.wg.Go(func() { s.receive(s.h.ctx, addr, feed) })
	}
	if err := feed.SSubscribe(ctx, ch); err != nil {
		return err
	}
	s.where[ch] = addr
	return nil
}

// receive hands messages of a master to the namespaces until its connection fails.
func (s *shards) receive(ctx context.Context, addr string, feed *redis.PubSub) {
	asked := false
	for ctx.Err() == nil {
		msg, err := feed.ReceiveTimeout(ctx, pingAfter)
		switch {
		case err == nil:
			asked = false
			s.take(ctx, addr, msg)
		case isTimeout(err) && !asked:
			asked = true
			_ = feed.Ping(ctx) // a failure is seen when its answer is missing
		default:
			s.drop(ctx, addr, feed, err)
			return
		}
	}
}

func (s *shards) take(ctx context.Context, addr string, msg any) {
	if s.whole.Load() {
		s.h.up()
	}
	switch m := msg.(type) {
	case *redis.Message:
		s.h.dispatch(ctx, m)
	case *redis.Subscription:
		if m.Kind == "ssubscribe" {
			s.h.confirm(m.Channel)
			return
		}
		s.mu.Lock()
		moved := s.where[m.Channel] == addr // Redis ended it because the slot moves elsewhere
		if moved {
			delete(s.where, m.Channel)
			s.whole.Store(false)
		}
		s.mu.Unlock()
		if moved {
			s.cc.ReloadState(ctx)
			signal(s.h.changed)
		}
	}
}

// drop forgets a connection and all that was subscribed on it.
func (s *shards) drop(ctx context.Context, addr string, feed *redis.PubSub, err error) {
	s.mu.Lock()
	mine := s.feeds[addr] == feed
	if mine {
		delete(s.feeds, addr)
		maps.DeleteFunc(s.where, func(_, at string) bool { return at == addr })
		s.whole.Store(false)
	}
	s.mu.Unlock()
	_ = feed.Close() // it is of no use any more
	if mine && ctx.Err() == nil {
		s.h.down(err)
		s.cc.ReloadState(ctx)
		signal(s.h.changed)
	}
}

func (s *shards) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, feed := range s.feeds {
		_ = feed.Close()
	}
	clear(s.feeds)
	clear(s.where)
}
