package state

import (
	"time"

	"github.com/berthhq/berth/internal/topic"
)

// allPublications is the only entry of the sum of the table of publications, which is their size in bytes.
const allPublications = "all"

// The tables of publications, deliveries and subscriptions have one sum each.
const (
	sumOfPublications  = 0 // bytes of all messages
	sumOfDeliveries    = 0 // deliveries of each subscription
	sumOfSubscriptions = 0 // subscriptions of each topic
)

func publication(*topic.Publication) string { return allPublications }

func topicOf(s *topic.Subscription) string { return s.TopicARN }

func subscriptionOf(d *topic.Delivery) string { return d.SubscriptionARN }

// PublishedBytes returns how many bytes the messages have that wait for their delivery.
func (t *Tables) PublishedBytes() int {
	return t.Publications.untyped.count(sumOfPublications, allPublications)
}

// DueOf returns how many messages wait for a subscription.
func (t *Tables) DueOf(subscriptionARN string) int {
	return t.Deliveries.untyped.count(sumOfDeliveries, subscriptionARN)
}

// SubscribedTo returns how many subscriptions a topic has.
func (t *Tables) SubscribedTo(topicARN string) int {
	return t.Subscriptions.untyped.count(sumOfSubscriptions, topicARN)
}

// SubscriptionsOf yields the subscriptions of a topic, in the order of their ARNs.
func (t *Tables) SubscriptionsOf(topicARN string) func(func(*topic.Subscription) bool) {
	return t.Subscriptions.Prefix(topicARN + ":")
}

// Publish makes the deliveries of a message to the confirmed subscriptions of its topic whose filter policies accept
// it, and returns their number. A subscription for which topic.MaxDue messages wait does not get it and is counted in
// full. If the messages that wait would have more than topic.MaxBytes, or would be more than topic.MaxDeliveries, it
// does nothing and returns a *topic.FullError.
func (tx *Tx) Publish(p *topic.Publication) (due, full int, err error) {
	if n := tx.PublishedBytes(); n+p.Size() > topic.MaxBytes {
		return 0, 0, &topic.FullError{Waiting: n, Most: topic.MaxBytes, What: "bytes of messages"}
	}
	var to []*topic.Delivery
	for s := range tx.SubscriptionsOf(p.TopicARN) {
		switch {
		case s.Status != topic.Confirmed || !s.Wants(p):
		case tx.DueOf(s.ARN) >= topic.MaxDue:
			full++
		default:
			to = append(to, &topic.Delivery{
				SubscriptionARN: s.ARN, MessageID: p.ID, Kind: topic.Notification, At: p.At,
			})
		}
	}
	if n := tx.Deliveries.Len(); n+len(to) > topic.MaxDeliveries {
		return 0, 0, &topic.FullError{Waiting: n, Most: topic.MaxDeliveries, What: "deliveries"}
	}
	for _, d := range to {
		tx.Deliveries.Put(d)
	}
	if len(to) > 0 {
		tx.Publications.Put(p)
	}
	return len(to), full, nil
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
