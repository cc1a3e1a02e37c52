package topic

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/url"
	"strings"
	"time"
)

// Document is the JSON of a message, as AWS sends it to HTTP endpoints. Members are in AWS's order.
type Document struct {
	Type             Kind
	MessageID        string `json:"MessageId"`
	Token            string `json:",omitempty"`
	TopicARN         string `json:"TopicArn"`
	Subject          string `json:",omitempty"`
	Message          string
	SubscribeURL     string `json:",omitempty"`
	Timestamp        string
	SignatureVersion string
	Signature        string
	SigningCertURL   string
	UnsubscribeURL   string                       `json:",omitempty"`
	Attributes       map[string]documentAttribute `json:"MessageAttributes,omitempty"`
}

type documentAttribute struct{ Type, Value string }

// NewDocument returns the message of a delivery without its signature. p is nil unless the message is a notification.
// base is the URL of the server, without a path.
func NewDocument(base string, t *Topic, s *Subscription, d *Delivery, p *Publication) *Document {
	doc := &Document{
		Type: d.Kind, MessageID: d.MessageID, TopicARN: s.TopicARN, SignatureVersion: t.Signature(),
		Timestamp: d.At.UTC().Format("2006-01-02T15:04:05.000Z"),
	}
	if p == nil {
		doc.Token, doc.SubscribeURL = s.Token, ConfirmURL(base, s)
		doc.Message = fmt.Sprintf("You have chosen to subscribe to the topic %s.\nTo confirm the subscription, visit "+
			"the SubscribeURL included in this message.", s.TopicARN)
		if d.Kind == Farewell {
			doc.Message = fmt.Sprintf("You have chosen to deactivate subscription %s.\nTo cancel this operation and "+
				"restore the subscription, visit the SubscribeURL included in this message.", s.ARN)
		}
		return doc
	}
	doc.Subject, doc.Message, doc.UnsubscribeURL = p.Subject, p.Text(s.Protocol), UnsubscribeURL(base, s)
	for name, a := range p.Attributes {
		if doc.Attributes == nil {
			doc.Attributes = make(map[string]documentAttribute)
		}
		value := a.String
		if a.Binary != nil {
			value = base64.StdEncoding.EncodeToString(a.Binary)
		}
		doc.Attributes[name] = documentAttribute{a.Type, value}
	}
	return doc
}

// Signature returns the version with which messages of the topic are signed.
func (t *Topic) Signature() string {
	if t.SignatureVersion == "" {
		return "1"
	}
	return t.SignatureVersion
}

// StringToSign returns the text that is signed: names and values of members, each on a separate line, in the order of
// the names.
func (d *Document) StringToSign() string {
	var b strings.Builder
	add := func(name, value string) { b.WriteString(name + "\n" + value + "\n") }
	add("Message", d.Message)
	add("MessageId", d.MessageID)
	if d.Type == Notification {
		if d.Subject != "" {
			add("Subject", d.Subject)
		}
	} else {
		add("SubscribeURL", d.SubscribeURL)
	}
	add("Timestamp", d.Timestamp)
	if d.Type != Notification {
		add("Token", d.Token)
	}
	add("TopicArn", d.TopicARN)
	add("Type", string(d.Type))
	return b.String()
}

// JSON returns the document, indented.
func (d *Document) JSON() ([]byte, error) {
	var out bytes.Buffer
	enc := json.NewEncoder(&out)
	enc.SetEscapeHTML(false)
	enc.SetIndent("", "  ")
	if err := enc.Encode(d); err != nil {
		return nil, err
	}
	return bytes.TrimSuffix(out.Bytes(), []byte("\n")), nil
}

// ConfirmURL returns the link that confirms a subscription.
func ConfirmURL(base string, s *Subscription) string {
	return base + "/?Action=ConfirmSubscription&TopicArn=" + url.QueryEscape(s.TopicARN) + "&Token=" +
		url.QueryEscape(s.Token)
}

// UnsubscribeURL returns the link that ends a subscription.
func UnsubscribeURL(base string, s *Subscription) string {
	return base + "/?Action=Unsubscribe&SubscriptionArn=" + url.QueryEscape(s.ARN)
}

// Expired reports whether a subscription was not confirmed in time and must be deleted.
func (s *Subscription) Expired(now time.Time) bool {
	return s.Status != Confirmed && !now.Before(s.Expires)
}
