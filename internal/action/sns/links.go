package sns

import (
	"context"
	"encoding/xml"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"time"

	shape "github.com/berthhq/berth/internal/awswire/shape/sns"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

// confirm makes a subscription get messages. A token of a subscription that is confirmed already does no harm. It
// returns the ARN of the subscription.
//
// It takes the writer only if there is something to write: anybody can make the request without a signature. An
// endpoint gets a token after the transaction that made it, so a snapshot has the token.
func confirm(
	ctx context.Context, store *state.Store, topicARN, token string, onlyOwner bool, now time.Time,
) (string, error) {
	s, err := withToken(&store.View().Tables, topicARN, token, now)
	if err != nil || s.Status == topic.Confirmed {
		return arnOf(s), err
	}
	err = store.Update(ctx, func(tx *state.Tx) (err error) {
		if s, err = withToken(&tx.Tables, topicARN, token, now); err != nil || s.Status == topic.Confirmed {
			return err
		}
		put := *s
		put.Status, put.OnlyOwner = topic.Confirmed, onlyOwner
		tx.Subscriptions.Put(&put)
		for d := range tx.Deliveries.Prefix(topic.DuePrefix(s.ARN)) {
			tx.EndDelivery(d) // what asked for the confirmation
		}
		return nil
	})
	return arnOf(s), err
}

// withToken finds the subscription of a topic that a token confirms or restores.
func withToken(tables *state.Tables, topicARN, token string, now time.Time) (*topic.Subscription, error) {
	if _, ok := tables.Topics.Get(topicARN); !ok {
		return nil, noTopic()
	}
	for s := range tables.Subscriptions.By(state.SubscriptionsByToken, token) {
		if s.TopicARN == topicARN && !s.Expired(now) {
			return s, nil
		}
	}
	return nil, invalid("Token")
}

func arnOf(s *topic.Subscription) string {
	if s == nil {
		return ""
	}
	return s.ARN
}

// end ends a subscription by the link in a message. Its endpoint gets a message that lets it restore it. Like confirm,
// it takes the writer only if there is something to write.
func end(ctx context.Context, store *state.Store, key string, random io.Reader, now time.Time) error {
	if s, err := endable(&store.View().Tables, key); s == nil {
		return err
	}
	token, messageID := newid.Hex(random, 64), newid.UUID(random)
	return store.Update(ctx, func(tx *state.Tx) error {
		s, err := endable(&tx.Tables, key)
		if s == nil {
			return err
		}
		tx.DeleteSubscription(key) // with the messages that are due
		put := *s
		put.Status, put.Token, put.Expires = topic.Deleted, token, now.Add(topic.ConfirmWithin)
		tx.Subscriptions.Put(&put)
		tx.AskEndpoint(&put, topic.Farewell, messageID, now)
		return nil
	})
}

// endable returns a subscription that a link may end, and nil if it ended before or there is none.
func endable(tables *state.Tables, key string) (*topic.Subscription, error) {
	s, ok := tables.Subscriptions.Get(key)
	if !ok || s.Status != topic.Confirmed {
		return nil, nil
	}
	if s.OnlyOwner {
		return nil, fault.New(shape.CodeAuthorizationError, "The subscription was confirmed with "+
			"AuthenticateOnUnsubscribe: only a signed Unsubscribe call ends it.").WithStatus(http.StatusForbidden)
	}
	return s, nil
}

// Links serves the links in messages, which their receivers follow without a signature, and the certificates of the
// keys that sign messages. All other requests go to Next.
type Links struct {
	Store  *state.Store
	Logger *slog.Logger
	Now    func() time.Time
	Random io.Reader
	Next   http.Handler
}

// Followed returns the action of a request that follows a link in a message: ConfirmSubscription or Unsubscribe. It
// is "" for all other requests.
func Followed(r *http.Request) string {
	if r.Method != http.MethodGet || r.URL.Path != "/" || r.Header.Get("Authorization") != "" {
		return ""
	}
	query := r.URL.Query()
	action := query.Get("Action")
	if query.Has("X-Amz-Signature") || action != confirms && action != ends {
		return ""
	}
	return action
}

const (
	confirms = "ConfirmSubscription"
	ends     = "Unsubscribe"
)

// ServeHTTP implements http.Handler.
func (l *Links) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	var answer any
	var err error
	query := r.URL.Query
	switch Followed(r) {
	case confirms:
		var a confirmed
		a.Result.ARN, err = confirm(r.Context(), l.Store, query().Get("TopicArn"), query().Get("Token"), false, l.Now())
		a.Metadata.RequestID = newid.UUID(l.Random)
		answer = a
	case ends:
		var a ended
		err = end(r.Context(), l.Store, query().Get("SubscriptionArn"), l.Random, l.Now())
		a.Metadata.RequestID = newid.UUID(l.Random)
		answer = a
	default:
		if r.Method != http.MethodGet || !l.certificate(w, r.URL.Path) {
			l.Next.ServeHTTP(w, r)
		}
		return
	}
	status := http.StatusOK
	if err != nil {
		status, answer = l.failed(r, err)
	}
	w.Header().Set("Content-Type", "text/xml")
	w.WriteHeader(status)
	_ = xml.NewEncoder(w).Encode(answer) // the receiver may be gone
}

// certificate answers with the certificate that has a path, and returns false if there is none.
func (l *Links) certificate(w http.ResponseWriter, path string) bool {
	for k := range l.Store.View().SigningKeys.All() {
		if path == k.CertificatePath() {
			w.Header().Set("Content-Type", "application/x-pem-file")
			_, _ = io.WriteString(w, k.Certificate) // the receiver may be gone
			return true
		}
	}
	return false
}

type metadata struct {
	RequestID string `xml:"RequestId"`
}

type confirmed struct {
	XMLName xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ ConfirmSubscriptionResponse"`
	Result  struct {
		ARN string `xml:"SubscriptionArn"`
	} `xml:"ConfirmSubscriptionResult"`
	Metadata metadata `xml:"ResponseMetadata"`
}

type ended struct {
	XMLName  xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ UnsubscribeResponse"`
	Metadata metadata `xml:"ResponseMetadata"`
}

type failure struct {
	XMLName   xml.Name `xml:"http://sns.amazonaws.com/doc/2010-03-31/ ErrorResponse"`
	Type      string   `xml:"Error>Type"`
	Code      string   `xml:"Error>Code"`
	Message   string   `xml:"Error>Message"`
	RequestID string   `xml:"RequestId"`
}

// failed returns the answer for an error, and logs an error that is not the caller's.
func (l *Links) failed(r *http.Request, err error) (int, failure) {
	requestID := newid.UUID(l.Random)
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		l.Logger.Error("a link in a message could not be followed", "action", Followed(r), "request", requestID,
			"err", err)
		return http.StatusInternalServerError, failure{Type: "Receiver", Code: shape.CodeInternalError,
			Message: "The server could not do it. Its log says why.", RequestID: requestID}
	}
	status := f.HTTPStatus()
	if f.Code == shape.CodeNotFound {
		status = http.StatusNotFound
	}
	return status, failure{Type: "Sender", Code: f.Code, Message: f.Message, RequestID: requestID}
}
