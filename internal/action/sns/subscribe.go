package sns

import (
	"context"
	"maps"
	"net/url"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/sns"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

// unsupported are protocols of AWS that Berth does not deliver to.
var unsupported = []string{"application", "email", "email-json", "firehose", "lambda", "sms", "sqs"}

// pendingARN is what callers get instead of the ARN of a subscription that is not confirmed.
const pendingARN = "pending confirmation"

func (a *api) subscribe(
	ctx context.Context, call *awswire.Call, in *shape.SubscribeInput,
) (*shape.SubscribeOutput, error) {
	row, err := parseSubscription(call, in)
	if err != nil {
		return nil, err
	}
	messageID := newid.UUID(call.Random)
	answer := pendingARN
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if _, err := findTopic(&tx.Tables, call, in.TopicArn); err != nil {
			return err
		}
		put := *row
		if err := renew(tx, &put, in, call); err != nil {
			return err
		}
		if put.Status == topic.Confirmed || request.Value(in.ReturnSubscriptionArn) {
			answer = put.ARN
		}
		if put.Status == topic.Confirmed {
			return nil
		}
		tx.Subscriptions.Put(&put)
		tx.AskEndpoint(&put, topic.Confirmation, messageID, call.Now)
		return nil
	})
	return &shape.SubscribeOutput{SubscriptionArn: &answer}, err
}

// renew makes put the subscription that the endpoint has to the topic already, if there is one. One that is not
// confirmed gets new attributes, a new token, and another message.
func renew(tx *state.Tx, put *topic.Subscription, in *shape.SubscribeInput, call *awswire.Call) error {
	for old := range tx.Subscriptions.By(state.SubscriptionsByEndpoint, put.EndpointEntry()) {
		switch {
		case old.Expired(call.Now):
			tx.DeleteSubscription(old.ARN)
		case old.Status != topic.Confirmed:
			put.ARN, put.CreatedAt = old.ARN, old.CreatedAt
			tx.DeleteSubscription(old.ARN) // with the message that asks it to confirm with the older token
			return nil
		default:
			have, want := settings(old), settings(put)
			for name := range in.Attributes {
				if have[name] != want[name] {
					return invalid("Attributes Reason: Subscription already exists with different attributes")
				}
			}
			*put = *old
			return nil
		}
	}
	if tx.Subscriptions.Len() >= topic.MaxSubscriptions {
		return fault.New(shape.CodeSubscriptionLimitExceeded, "Berth keeps %d subscriptions, and there are as many.",
			topic.MaxSubscriptions)
	}
	if tx.SubscribedTo(put.TopicARN) >= topic.MaxPerTopic {
		return fault.New(shape.CodeSubscriptionLimitExceeded, "Berth keeps %d subscriptions of a topic, and there are "+
			"as many.", topic.MaxPerTopic)
	}
	return nil
}

func parseSubscription(call *awswire.Call, in *shape.SubscribeInput) (*topic.Subscription, error) {
	key, err := topicARN(call, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	if err := checkEndpoint(*in.Protocol, request.Value(in.Endpoint)); err != nil {
		return nil, err
	}
	row := &topic.Subscription{
		ARN: key + ":" + newid.UUID(call.Random), TopicARN: key, Protocol: *in.Protocol, Endpoint: *in.Endpoint,
		Owner: call.Account, Status: topic.Pending, Token: newid.Hex(call.Random, 64), Host: call.Host,
		Expires: call.Now.Add(topic.ConfirmWithin), CreatedAt: call.Now,
	}
	for _, name := range slices.Sorted(maps.Keys(in.Attributes)) {
		if err := setSubscription(row, name, in.Attributes[name]); err != nil {
			return nil, err
		}
	}
	return row, nil
}

func checkEndpoint(protocol, endpoint string) error {
	switch {
	case protocol == "lambda":
		return invalid("Protocol Reason: Berth does not deliver to lambda, because it has no Lambda functions " +
			"yet; use " +
			"http or https")
	case slices.Contains(unsupported, protocol):
		return invalid("Protocol Reason: Berth does not deliver to %s; use http or https", protocol)
	case !slices.Contains(topic.Protocols, protocol):
		return invalid("Does not support this protocol string: %s", protocol)
	case !strings.HasPrefix(endpoint, protocol+"://"):
		return invalid("Endpoint must match the specified protocol")
	case len(endpoint) > topic.MaxEndpoint:
		return invalid("Endpoint Reason: it has more than %d characters", topic.MaxEndpoint)
	}
	if u, err := url.Parse(endpoint); err != nil || u.Hostname() == "" || u.Fragment != "" {
		return invalid("Endpoint Reason: %q is not a URL with a host and without a fragment", endpoint)
	}
	return nil
}

func (a *api) confirmSubscription(
	ctx context.Context, call *awswire.Call, in *shape.ConfirmSubscriptionInput,
) (*shape.ConfirmSubscriptionOutput, error) {
	only := request.Value(in.AuthenticateOnUnsubscribe)
	if only != "" && only != "true" && only != "false" {
		return nil, invalid("AuthenticateOnUnsubscribe Reason: it must be true or false")
	}
	key, err := topicARN(call, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	confirmed, err := confirm(ctx, a.store, key, *in.Token, only == "true", call.Now)
	return &shape.ConfirmSubscriptionOutput{SubscriptionArn: &confirmed}, err
}

func (a *api) unsubscribe(
	ctx context.Context, call *awswire.Call, in *shape.UnsubscribeInput,
) (*shape.UnsubscribeOutput, error) {
	return &shape.UnsubscribeOutput{}, a.store.Update(ctx, func(tx *state.Tx) error {
		s, err := findSubscription(&tx.Tables, call, in.SubscriptionArn)
		if s != nil {
			tx.DeleteSubscription(s.ARN)
		}
		if fault.New(shape.CodeNotFound, "").Is(err) {
			return nil // it ended before, as on AWS
		}
		return err
	})
}

// findSubscription finds the subscription that a call names.
func findSubscription(tables *state.Tables, call *awswire.Call, value *string) (*topic.Subscription, error) {
	key, of := request.Value(value), topic.TopicOf(request.Value(value))
	if of == "" {
		return nil, invalid("SubscriptionArn Reason: %q is not the ARN of a subscription", key)
	}
	if _, err := topicARN(call, "SubscriptionArn", &of); err != nil {
		return nil, err
	}
	s, ok := tables.Subscriptions.Get(key)
	if !ok || s.Expired(call.Now) {
		return nil, notFound("Subscription does not exist")
	}
	return s, nil
}
