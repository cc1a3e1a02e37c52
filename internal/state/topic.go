package state

import (
	"time"

	"github.com/berthhq/berth/internal/topic"
)

// counted keeps a number for each entry: the sum of what size returns for its rows.
func counted[T any](entry func(*T) string, size func(*T) int) sum {
	change := func(kept, row any, by int) any {
		n, _ := kept.(int)
		if n += by * size(row.(*T)); n != 0 {
			return n
		}
		return nil
	}
	return sum{
		entry:  func(row any) string { return entry(row.(*T)) },
		add:    func(kept, row any) any { return change(kept, row, 1) },
		remove: func(kept, row any) any { return change(kept, row, -1) },
	}
}

const allPublications = "all"

func publishedBytes() sum {
	return counted(func(*topic.Publication) string { return allPublications }, (*topic.Publication).Size)
}

func dueMessages() sum {
	return counted(func(d *topic.Delivery) string { return d.SubscriptionARN }, func(*topic.Delivery) int { return 1 })
}

// PublishedBytes returns how many bytes the messages have that wait for their delivery.
func (t *Tables) PublishedBytes() int {
	kept, _ := t.Publications.untyped.rows.sums[0].get(allPublications)
	n, _ := kept.(int)
	return n
}

// DueOf returns how many messages wait for a subscription.
func (t *Tables) DueOf(subscriptionARN string) int {
	kept, _ := t.Deliveries.untyped.rows.sums[0].get(subscriptionARN)
	n, _ := kept.(int)
	return n
}

// SubscriptionsOf yields the subscriptions of a topic, in the order of their ARNs.
func (t *Tables) SubscriptionsOf(topicARN string) func(func(*topic.Subscription) bool) {
	return t.Subscriptions.Prefix(topicARN + ":")
}

// Publish makes the deliveries of a message to the confirmed subscriptions of its topic whose filter policies accept
// it, and returns their number. A subscription for which topic.MaxDue messages wait does not get it and is counted in
// full. ok is false, and nothing is done, if the messages that wait would have more than topic.MaxBytes.
func (tx *Tx) Publish(p *topic.Publication) (due, full int, ok bool) {
	if tx.PublishedBytes()+p.Size() > topic.MaxBytes {
		return 0, 0, false
	}
	for s := range tx.SubscriptionsOf(p.TopicARN) {
		switch {
		case s.Status != topic.Confirmed || !s.Wants(p):
		case tx.DueOf(s.ARN) >= topic.MaxDue:
			full++
		default:
			due++
			tx.Deliveries.Put(&topic.Delivery{
				SubscriptionARN: s.ARN, MessageID: p.ID, Kind: topic.Notification, At: p.At,
			})
		}
	}
	if due > 0 {
		tx.Publications.Put(p)
	}
	return due, full, true
}

// EndDelivery deletes a delivery that is done, and its publication if no delivery of it is left.
func (tx *Tx) EndDelivery(d *topic.Delivery) {
	tx.Deliveries.Delete(d.Key())
	for range tx.Deliveries.By(DeliveriesByMessage, d.MessageID) {
		return
	}
	tx.Publications.Delete(d.MessageID)
}

// DeleteSubscription deletes a subscription and what is due for it.
func (tx *Tx) DeleteSubscription(arn string) {
	tx.Subscriptions.Delete(arn)
	for d := range tx.Deliveries.Prefix(topic.DuePrefix(arn)) {
		tx.EndDelivery(d)
	}
}

// DeleteTopic deletes a topic with its subscriptions, and what is due for them.
func (tx *Tx) DeleteTopic(arn string) {
	tx.Topics.Delete(arn)
	for s := range tx.SubscriptionsOf(arn) {
		tx.DeleteSubscription(s.ARN)
	}
}

// AskEndpoint sends the endpoint of a subscription the message that lets it confirm or restore the subscription.
func (tx *Tx) AskEndpoint(s *topic.Subscription, kind topic.Kind, messageID string, now time.Time) {
	tx.Deliveries.Put(&topic.Delivery{SubscriptionARN: s.ARN, MessageID: messageID, Kind: kind, At: now})
}
