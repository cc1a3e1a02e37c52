// Package notify publishes messages for actions of alarms that are SNS topics. It also delivers all published messages
// to the endpoints of subscriptions.
//
// A due action is a row (alarm.Due), and so is a due delivery (topic.Delivery). The transaction that publishes a
// message deletes the due action and writes the deliveries; a delivery is deleted after the endpoint has answered. So a
// crash loses no message, but a message that an endpoint accepted just before the crash may be sent again, as on AWS.
//
// At most a few messages of one subscription are sent at the same time. So an endpoint that does not answer delays only
// its own messages, unless there are as many such endpoints as workers.
package notify

import (
	"context"
	"errors"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

// Workers is how many subscriptions are served at the same time.
const Workers = 64

// Config has what the controller needs besides its control.Env.
type Config struct {
	Sender Sender
	// Secret encrypts the private key that signs messages; it has 32 bytes.
	Secret []byte
	// Published is called for each message that an alarm has published; package action/sns calls it for other messages.
	// It may be called concurrently.
	Published func(p *topic.Publication, due, full int)
}

// Controller is a control.Controller. A key is the ARN of a subscription or the key of a due action. Only the second
// contains a line feed.
type Controller struct {
	control.Env
	cfg  Config
	keys keyring
}

// New returns a controller that publishes and delivers messages.
func New(env control.Env, cfg Config) *Controller {
	return &Controller{Env: env, cfg: cfg, keys: keyring{Env: env, secret: cfg.Secret}}
}

// Keys implements control.Controller.
func (c *Controller) Keys(ch state.Change, _ *state.Snapshot) []string {
	switch ch := ch.(type) {
	case state.Changed[topic.Delivery]:
		if ch.New != nil {
			return []string{ch.New.SubscriptionARN}
		}
	case state.Changed[topic.Subscription]:
		if ch.New != nil {
			return []string{ch.Key}
		}
	case state.Changed[alarm.Due]:
		if ch.New != nil && ch.New.Kind == alarm.SNSTopic {
			return []string{ch.Key}
		}
	}
	return nil
}

// All implements control.Controller.
func (c *Controller) All(s *state.Snapshot) (keys []string) {
	for sub := range s.Subscriptions.All() {
		keys = append(keys, sub.ARN)
	}
	for d := range s.DueActions.By(state.DueActionsByKind, string(alarm.SNSTopic)) {
		keys = append(keys, d.Key())
	}
	return keys
}

// Reconcile implements control.Controller.
func (c *Controller) Reconcile(ctx context.Context, key string) (time.Duration, error) {
	if strings.Contains(key, "\n") {
		return 0, c.publish(ctx, key)
	}
	return c.deliver(ctx, key)
}

// atOnce is how many messages of a subscription are sent at the same time.
const atOnce = 8

// deliver sends messages of a subscription that are due, and returns the time until the next one is due. It deletes a
// subscription that was not confirmed in time.
func (c *Controller) deliver(ctx context.Context, key string) (time.Duration, error) {
	tables := &c.Store.View().Tables
	s, ok := tables.Subscriptions.Get(key)
	if !ok {
		return 0, nil
	}
	now := c.Now()
	if s.Expired(now) {
		return 0, c.Commit(ctx, key, func(tx *state.Tx, m control.Moment) error {
			if s, ok := tx.Subscriptions.Get(key); ok && s.Expired(m.Now) {
				tx.DeleteSubscription(key)
			}
			return nil
		})
	}
	t, ok := tables.Topics.Get(s.TopicARN)
	if !ok {
		return 0, nil // it is deleted with its subscriptions
	}
	due, next := ready(tables, key, now)
	if len(due) > 0 {
		results := c.sendAll(ctx, tables, t, s, due)
		if ctx.Err() != nil {
			return 0, context.Cause(ctx) // interrupted messages are sent again
		}
		// The next call sends more or returns how long to wait.
		return time.Nanosecond, c.record(ctx, t, s, results)
	}
	if s.Status != topic.Confirmed && (next.IsZero() || s.Expires.Before(next)) {
		next = s.Expires
	}
	if next.IsZero() {
		return 0, nil
	}
	return max(next.Sub(now), time.Millisecond), nil
}

// ready returns deliveries that are due. If there are none, it returns the time until the next one is due.
func ready(tables *state.Tables, key string, now time.Time) (due []*topic.Delivery, next time.Time) {
	for d := range tables.Deliveries.Prefix(topic.DuePrefix(key)) {
		switch {
		case !d.NextAt.After(now):
			if due = append(due, d); len(due) == atOnce {
				return due, next
			}
		case next.IsZero() || d.NextAt.Before(next):
			next = d.NextAt
		}
	}
	return due, next
}

// result is the outcome of an attempt to deliver a message.
type result struct {
	delivery *topic.Delivery
	outcome  Outcome
}

// sendAll sends deliveries at the same time and waits for all of them. A request that cannot be made is a failure; the
// delivery is repeated unless its message is missing.
func (c *Controller) sendAll(
	ctx context.Context, tables *state.Tables, t *topic.Topic, s *topic.Subscription, due []*topic.Delivery,
) []result {
	results := make([]result, len(due))
	var all sync.WaitGroup
	for i, d := range due {
		results[i].delivery = d
		r, err := c.request(ctx, tables, t, s, d)
		if err != nil {
			results[i].outcome = Outcome{Problem: err.Error(), Retry: !errors.Is(err, errNoMessage)}
			continue
		}
		all.Go(func() { results[i].outcome = c.cfg.Sender.Send(ctx, r) })
	}
	all.Wait()
	return results
}

// record writes the results: it deletes deliveries that are done, and sets the next attempt of others.
func (c *Controller) record(ctx context.Context, t *topic.Topic, s *topic.Subscription, results []result) error {
	policy := topic.PolicyOf(t, s)
	var given []*topic.Delivery
	err := c.Commit(ctx, s.ARN, func(tx *state.Tx, m control.Moment) error {
		given = given[:0]
		for _, r := range results {
			d, ok := tx.Deliveries.Get(r.delivery.Key())
			if !ok {
				continue // the subscription or the topic was deleted
			}
			failed := *d
			failed.Attempts, failed.Problem = d.Attempts+1, r.outcome.Problem
			delay, again := policy.Retries.Delay(failed.Attempts)
			if r.outcome.Retry && again {
				failed.NextAt = m.Now.Add(delay)
				tx.Deliveries.Put(&failed)
				continue
			}
			if r.outcome.Problem != "" {
				given = append(given, &failed)
			}
			tx.EndDelivery(d)
		}
		return nil
	})
	if err != nil {
		return err
	}
	for _, d := range given {
		c.Logger.Warn("a message was not delivered", "topic", s.TopicARN, "subscription", s.ARN,
			"message", d.MessageID, "attempts", d.Attempts, "reason", d.Problem)
	}
	return nil
}
