package notify

import (
	"bytes"
	"context"
	"crypto/rand"
	"log/slog"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
	"github.com/berthhq/berth/internal/topic"
)

const (
	region, account = "us-east-1", "123456789012"
	ops             = "arn:aws:sns:us-east-1:123456789012:ops"
	host            = "berth.test:4566"
)

// sent is a request that the endpoint has got, and when.
type sent struct {
	*Request
	at time.Time
}

// endpoint is a Sender. answer says what becomes of a request; nil accepts all.
type endpoint struct {
	answer func(n int, r *Request) Outcome

	mu  sync.Mutex // guards got
	got []sent
}

func (e *endpoint) Send(_ context.Context, r *Request) Outcome {
	e.mu.Lock()
	e.got = append(e.got, sent{r, time.Now()})
	n := len(e.got)
	e.mu.Unlock()
	if e.answer == nil {
		return Outcome{}
	}
	return e.answer(n, r)
}

func (e *endpoint) requests() []sent {
	e.mu.Lock()
	defer e.mu.Unlock()
	return append([]sent(nil), e.got...)
}

// world is a store with the controller, in a synctest bubble.
type world struct {
	*testing.T
	endpoint  *endpoint
	log       bytes.Buffer
	published int
	disk      *mem.Journal
	store     *state.Store
	stop      func()
}

func newWorld(t *testing.T) *world {
	w := &world{T: t, endpoint: &endpoint{}, disk: mem.New()}
	w.start()
	w.update(func(tx *state.Tx) {
		tx.Topics.Put(&topic.Topic{ARN: ops, Name: "ops", Region: region, Account: account})
		tx.SigningKeys.Put(testKey())
	})
	return w
}

var secret = bytes.Repeat([]byte{7}, 32)

// testKey is made once, because that takes long.
var testKey = sync.OnceValue(func() *topic.SigningKey {
	k := &keyring{Env: control.Env{Now: time.Now, Random: rand.Reader}, secret: secret}
	row, err := k.make()
	if err != nil {
		panic(err)
	}
	return row
})

// start opens the store and runs the controller.
func (w *world) start() {
	w.Helper()
	var err error
	if w.store, err = state.Open(w.Context(), w.disk, slog.New(slog.DiscardHandler)); err != nil {
		w.Fatal(err)
	}
	env := control.Env{
		Store: w.store, Logger: slog.New(slog.NewTextHandler(&w.log, nil)), Now: time.Now, Random: rand.Reader,
	}
	loop := control.New(env, "notify", 4, New(env, Config{
		Sender: w.endpoint, Secret: secret, Published: func(*topic.Publication, int, int) { w.published++ },
	}))
	ctx, cancel := context.WithCancel(w.Context())
	ended := make(chan struct{})
	go func() { defer close(ended); _ = loop.Run(ctx) }()
	w.stop = func() {
		cancel()
		<-ended
		w.store.Close()
	}
}

// restart ends the controller and starts it on what is on the disk.
func (w *world) restart() {
	w.Helper()
	w.stop()
	w.disk = w.disk.Reopen()
	w.start()
}

func (w *world) update(fn func(*state.Tx)) {
	w.Helper()
	if err := w.store.Update(w.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		w.Fatal(err)
	}
}

// subscribe makes a subscription of an endpoint that is confirmed.
func (w *world) subscribe(id string, change ...func(*topic.Subscription)) *topic.Subscription {
	w.Helper()
	s := &topic.Subscription{
		ARN: ops + ":" + id, TopicARN: ops, Protocol: "http", Endpoint: "http://" + id + ".test/in", Owner: account,
		Status: topic.Confirmed, Token: "token-" + id, Host: host, Expires: time.Now().Add(topic.ConfirmWithin),
	}
	for _, c := range change {
		c(s)
	}
	w.update(func(tx *state.Tx) { tx.Subscriptions.Put(s) })
	return s
}

// publish publishes a message with an id.
func (w *world) publish(id string) {
	w.Helper()
	p := &topic.Publication{ID: id, TopicARN: ops, Subject: "about " + id, Message: "text of " + id, At: time.Now()}
	w.update(func(tx *state.Tx) { tx.Publish(p) })
}

// left returns how many deliveries and publications there are.
func (w *world) left() [2]int {
	v := w.store.View()
	return [2]int{v.Deliveries.Len(), v.Publications.Len()}
}

// bubble runs a test in a synctest bubble.
func bubble(t *testing.T, test func(*world)) {
	testKey()
	synctest.Test(t, func(t *testing.T) {
		w := newWorld(t)
		test(w)
		w.stop()
	})
}
