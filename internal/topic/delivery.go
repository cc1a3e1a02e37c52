package topic

import (
	"fmt"
	"time"
)

// Attribute is an attribute of a message.
type Attribute struct {
	Type   string // String, String.Array, Number or Binary, each with "." and a label of the user
	String string `json:",omitempty"`
	Binary []byte `json:",omitempty"`
}

// Publication is a published message that has not been delivered to all subscriptions yet.
type Publication struct {
	ID          string // the message's
	TopicARN    string
	Subject     string `json:",omitempty"`
	Message     string
	PerProtocol map[string]string    `json:",omitempty"` // messages for single protocols
	Attributes  map[string]Attribute `json:",omitempty"`
	At          time.Time
}

// Text returns the message for a protocol.
func (p *Publication) Text(protocol string) string {
	if text, ok := p.PerProtocol[protocol]; ok {
		return text
	}
	return p.Message
}

// Size returns how many bytes the message and its attributes have.
func (p *Publication) Size() int {
	n := len(p.Message) + len(p.Subject)
	for protocol, text := range p.PerProtocol {
		n += len(protocol) + len(text)
	}
	for name, a := range p.Attributes {
		n += len(name) + len(a.Type) + len(a.String) + len(a.Binary)
	}
	return n
}

// FullError is the error when a message cannot be published because too many messages wait for their delivery.
type FullError struct {
	Waiting, Most int
	What          string // what is counted
}

func (e *FullError) Error() string {
	return fmt.Sprintf("%d %s wait, and at most %d may wait", e.Waiting, e.What, e.Most)
}

// Kind is the type of a message, as its JSON has it.
type Kind string

// The types of messages.
const (
	Notification Kind = "Notification"
	Confirmation Kind = "SubscriptionConfirmation"
	Farewell     Kind = "UnsubscribeConfirmation" // the subscription was deleted, and can be restored
)

// Delivery is a message that is to be sent to a subscription. It is written in the transaction that publishes the
// message, and deleted after the endpoint has accepted it or after the last attempt. So a crash loses no delivery, but
// may repeat one.
type Delivery struct {
	SubscriptionARN string
	MessageID       string
	Kind            Kind
	At              time.Time // when it was published
	// Attempts is the number of failed attempts, NextAt the time of the next one, and Problem why the last one failed.
	Attempts int       `json:",omitempty"`
	NextAt   time.Time `json:",omitzero"`
	Problem  string    `json:",omitempty"`
}

// DuePrefix returns the prefix of the keys of a subscription's deliveries.
func DuePrefix(subscriptionARN string) string { return subscriptionARN + "\n" }

// Key returns the key of the row. The deliveries of a subscription are in the order in which they were published.
func (d *Delivery) Key() string {
	return DuePrefix(d.SubscriptionARN) + d.At.UTC().Format("20060102150405.000000000") + "\n" + d.MessageID
}
