package sns

import (
	"context"
	"iter"
	"net/url"
	"strconv"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/sns"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

func (a *api) listSubscriptions(
	_ context.Context, call *awswire.Call, in *shape.ListSubscriptionsInput,
) (*shape.ListSubscriptionsOutput, error) {
	list, next, err := cut(call, in.NextToken,
		a.store.View().Subscriptions.Prefix(topic.Prefix(call.Region, call.Account)), "")
	return &shape.ListSubscriptionsOutput{Subscriptions: list, NextToken: next}, err
}

func (a *api) listSubscriptionsByTopic(
	_ context.Context, call *awswire.Call, in *shape.ListSubscriptionsByTopicInput,
) (*shape.ListSubscriptionsByTopicOutput, error) {
	tables := &a.store.View().Tables
	t, err := findTopic(tables, call, in.TopicArn)
	if err != nil {
		return nil, err
	}
	list, next, err := cut(call, in.NextToken, tables.SubscriptionsOf(t.ARN), t.ARN)
	return &shape.ListSubscriptionsByTopicOutput{Subscriptions: list, NextToken: next}, err
}

func cut(
	call *awswire.Call, token *string, list iter.Seq[*topic.Subscription], of string,
) ([]shape.Subscription, *string, error) {
	list = request.Where(list, func(s *topic.Subscription) bool { return !s.Expired(call.Now) })
	found, next, err := request.Cut(call, pages.Ask(nil, token), list,
		func(s *topic.Subscription) string { return s.ARN }, of)
	return request.Answers(found, answerSubscription), next, err
}

func answerSubscription(s *topic.Subscription) shape.Subscription {
	shown := map[topic.Status]string{topic.Pending: "PendingConfirmation", topic.Deleted: "Deleted"}[s.Status]
	if shown == "" {
		shown = s.ARN
	}
	return shape.Subscription{
		Endpoint: new(masked(s.Endpoint)), Owner: &s.Owner, Protocol: &s.Protocol, SubscriptionArn: &shown,
		TopicArn: &s.TopicARN,
	}
}

// masked returns the URL of an endpoint without its password, as AWS shows it.
func masked(endpoint string) string {
	u, err := url.Parse(endpoint)
	if err != nil || u.User == nil {
		return endpoint
	}
	name, _, _ := strings.Cut(u.User.String(), ":")
	u.User = nil
	return strings.Replace(u.String(), "://", "://"+name+":****@", 1)
}

// settings returns the attributes of a subscription that can be set.
func settings(s *topic.Subscription) map[string]string {
	out := map[string]string{"RawMessageDelivery": strconv.FormatBool(s.RawDelivery)}
	if s.FilterPolicy != "" {
		out["FilterPolicy"], out["FilterPolicyScope"] = s.FilterPolicy, byAttributes
	}
	if s.DeliveryPolicy != "" {
		out["DeliveryPolicy"] = s.DeliveryPolicy
	}
	return out
}

// byAttributes is the FilterPolicyScope of policies on the attributes of messages.
const byAttributes = "MessageAttributes"

// setSubscription sets an attribute of a subscription.
func setSubscription(s *topic.Subscription, name, value string) error {
	switch name {
	case "RawMessageDelivery":
		raw, err := strconv.ParseBool(value)
		if err != nil {
			return invalid("RawMessageDelivery Reason: it must be true or false")
		}
		s.RawDelivery = raw
	case "FilterPolicy":
		if value == "{}" || value == "" { // a policy that accepts everything is removed, as on AWS
			s.FilterPolicy = ""
			return nil
		}
		if _, err := topic.ParseFilterPolicy(value); err != nil {
			return invalid("FilterPolicy: %s", err)
		}
		s.FilterPolicy = value
	case "FilterPolicyScope":
		if value != byAttributes {
			return invalid("FilterPolicyScope: Berth filters by %s only, not by %q", byAttributes, value)
		}
	case "DeliveryPolicy":
		if _, err := topic.ParsePolicy(value, topic.DefaultPolicy()); err != nil {
			return invalid("DeliveryPolicy: %s", err)
		}
		s.DeliveryPolicy = value
	default:
		return invalid("AttributeName Reason: Berth does not support the attribute %q of subscriptions; it supports "+
			"DeliveryPolicy, FilterPolicy, FilterPolicyScope and RawMessageDelivery", name)
	}
	return nil
}

func (a *api) setSubscriptionAttributes(
	ctx context.Context, call *awswire.Call, in *shape.SetSubscriptionAttributesInput,
) (*shape.SetSubscriptionAttributesOutput, error) {
	return &shape.SetSubscriptionAttributesOutput{}, a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := findSubscription(&tx.Tables, call, in.SubscriptionArn)
		if err != nil {
			return err
		}
		put := *old
		if err := setSubscription(&put, *in.AttributeName, request.Value(in.AttributeValue)); err != nil {
			return err
		}
		tx.Subscriptions.Put(&put)
		return nil
	})
}

func (a *api) getSubscriptionAttributes(
	_ context.Context, call *awswire.Call, in *shape.GetSubscriptionAttributesInput,
) (*shape.GetSubscriptionAttributesOutput, error) {
	tables := &a.store.View().Tables
	s, err := findSubscription(tables, call, in.SubscriptionArn)
	if err != nil {
		return nil, err
	}
	t, ok := tables.Topics.Get(s.TopicARN)
	if !ok {
		return nil, noTopic()
	}
	out := settings(s)
	for name, value := range map[string]string{
		"SubscriptionArn": s.ARN, "TopicArn": s.TopicARN, "Owner": s.Owner, "Protocol": s.Protocol,
		"Endpoint": masked(s.Endpoint), "PendingConfirmation": strconv.FormatBool(s.Status != topic.Confirmed),
		"ConfirmationWasAuthenticated": strconv.FormatBool(s.OnlyOwner),
		"EffectiveDeliveryPolicy":      topic.PolicyOf(t, s).JSON(),
	} {
		out[name] = value
	}
	return &shape.GetSubscriptionAttributesOutput{Attributes: out}, nil
}
