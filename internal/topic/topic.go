// Package topic has the rows of Amazon SNS: topics, subscriptions, messages that are being delivered, and deliveries.
// It also has the rules of names, filter policies and retries, and the format of messages.
//
// A published message has one [Publication] row with its text, and one [Delivery] row for each subscription that gets
// it. control/notify deletes each delivery after it has succeeded or failed, and the publication with its last
// delivery.
package topic

import (
	"regexp"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/tag"
)

// Limits of Berth. On AWS a region may have 100,000 topics, and a topic 12.5 million subscriptions.
const (
	Max              = 10_000
	MaxSubscriptions = 10_000
	// MaxPerTopic is the most subscriptions of a topic, and so the most deliveries of one message.
	MaxPerTopic = 1000
	// MaxDue is the most messages that wait for one subscription. Further messages are not delivered to it.
	MaxDue = 1000
	// MaxDeliveries is the most deliveries that wait, for all subscriptions together.
	MaxDeliveries = 50_000
	// MaxBytes is the most bytes of the messages that wait, of all topics together.
	MaxBytes = 256 << 20
	// MaxMessage is the most bytes of a message with its attributes, as on AWS.
	MaxMessage = 256 << 10
	// MaxEndpoint is the most characters of the URL of an endpoint, as on AWS.
	MaxEndpoint = 2048
)

// ConfirmWithin is how long a subscription waits for its confirmation before it is deleted, as on AWS.
const ConfirmWithin = 3 * 24 * time.Hour

// Topic is a name to which messages are published.
type Topic struct {
	ARN             string
	Name            string
	Region, Account string
	DisplayName     string `json:",omitempty"`
	Policy          string `json:",omitempty"` // JSON; stored and given back
	// DeliveryPolicy is JSON as the user wrote it; "" means the default policy.
	DeliveryPolicy string `json:",omitempty"`
	// SignatureVersion is 1 (SHA1) or 2 (SHA256); "" means 1.
	SignatureVersion string `json:",omitempty"`
	// TracingConfig is stored and given back: it is PassThrough or "".
	TracingConfig string  `json:",omitempty"`
	Tags          tag.Set `json:",omitempty"`
	CreatedAt     time.Time
}

// Prefix returns the prefix of the ARNs of the topics of a region and account; the name follows.
func Prefix(region, account string) string { return arn.New("sns", region, account, "").String() }

// ARN returns the ARN of a topic.
func ARN(region, account, name string) string { return Prefix(region, account) + name }

var namePattern = regexp.MustCompile(`^[A-Za-z0-9_-]{1,256}$`)

// ValidName reports whether a text can be the name of a topic. Names of FIFO topics, which end with .fifo, are not.
func ValidName(name string) bool { return namePattern.MatchString(name) }

// Status is the status of a subscription. Only a confirmed one gets messages.
type Status string

// The statuses of subscriptions.
const (
	Pending   Status = "pending"   // the endpoint has not confirmed it yet
	Confirmed Status = "confirmed" // it gets messages
	// Deleted is the status after somebody has used the unsubscribe link in a message. Until the subscription expires,
	// its endpoint can restore it.
	Deleted Status = "deleted"
)

// Protocols are those that Berth delivers to.
var Protocols = []string{"http", "https"}

// Subscription is an endpoint that gets the messages of a topic.
type Subscription struct {
	ARN      string // TOPIC:ID; the id is hard to guess
	TopicARN string
	Protocol string // http or https
	Endpoint string // URL
	Owner    string // account
	Status   Status
	// Token confirms the subscription, or restores a deleted one. It ends with Expires. A confirmed subscription keeps
	// it, so that a confirmation that is sent again succeeds.
	Token   string
	Expires time.Time
	// OnlyOwner is AuthenticateOnUnsubscribe: the unsubscribe link in a message has no effect.
	OnlyOwner bool `json:",omitempty"`
	// Host is the host:port that the call of Subscribe was sent to. Links in messages use it.
	Host      string
	CreatedAt time.Time

	// These are attributes as the user wrote them.
	RawDelivery    bool   `json:",omitempty"`
	FilterPolicy   string `json:",omitempty"`
	DeliveryPolicy string `json:",omitempty"`
}

// EndpointEntry returns the subscription's entry in the index by topic, protocol and endpoint.
func (s *Subscription) EndpointEntry() string {
	return EndpointEntry(s.TopicARN, s.Protocol, s.Endpoint)
}

// EndpointEntry returns the index entry of the subscription of an endpoint to a topic.
func EndpointEntry(topicARN, protocol, endpoint string) string {
	return strings.Join([]string{topicARN, protocol, endpoint}, "\n")
}

// TopicOf returns the ARN of the topic of a subscription, or "" if subscriptionARN is not the ARN of a subscription.
func TopicOf(subscriptionARN string) string {
	a, err := arn.Parse(subscriptionARN)
	if err != nil || a.Service != "sns" {
		return ""
	}
	name, _, ok := strings.Cut(a.Resource, ":")
	if !ok {
		return ""
	}
	a.Resource = name
	return a.String()
}

// SigningKey is the key that signs messages, with its certificate.
type SigningKey struct {
	ID string // hexadecimal digits; it is in the URL of the certificate
	// Sealed is the private key in PKCS #8, encrypted.
	Sealed []byte
	// Certificate is in PEM; everybody may read it.
	Certificate string
	CreatedAt   time.Time
}

// CertificatePath returns the path of the certificate in the server's URLs.
func (k *SigningKey) CertificatePath() string { return "/SimpleNotificationService-" + k.ID + ".pem" }

// Wants reports whether the subscription's filter policy, which was checked when it was written, accepts a message.
func (s *Subscription) Wants(p *Publication) bool {
	if s.FilterPolicy == "" {
		return true
	}
	policy, err := ParseFilterPolicy(s.FilterPolicy)
	return err == nil && policy.Accepts(p.Attributes)
}
