package sns

import (
	"context"
	"encoding/json"
	"maps"
	"slices"
	"strconv"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/sns"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

func (a *api) createTopic(
	ctx context.Context, call *awswire.Call, in *shape.CreateTopicInput,
) (*shape.CreateTopicOutput, error) {
	name := *in.Name
	if !topic.ValidName(name) {
		return nil, invalid("Topic Name Reason: %q does not have 1 to 256 letters, digits, hyphens and underscores; "+
			"Berth does not support FIFO topics, whose names end with .fifo", name)
	}
	row := &topic.Topic{ARN: topic.ARN(call.Region, call.Account, name), Name: name, Region: call.Region,
		Account: call.Account, CreatedAt: call.Now}
	for _, attribute := range slices.Sorted(maps.Keys(in.Attributes)) {
		if err := setTopic(row, attribute, in.Attributes[attribute]); err != nil {
			return nil, err
		}
	}
	tags, err := tagRules.New(request.Tags(in.Tags))
	if err != nil {
		return nil, err
	}
	row.Tags = tags
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		old, ok := tx.Topics.Get(row.ARN)
		if ok {
			return same(old, row, in)
		}
		if tx.Topics.Len() >= topic.Max {
			return fault.New(shape.CodeTopicLimitExceeded, "Berth keeps %d topics, and there are as many.", topic.Max)
		}
		put := *row
		tx.Topics.Put(&put)
		return nil
	})
	return &shape.CreateTopicOutput{TopicArn: &row.ARN}, err
}

// same returns an error unless a topic that exists has the attributes and tags with which it would be created.
func same(old, row *topic.Topic, in *shape.CreateTopicInput) error {
	have, want := topicAttributes(old), topicAttributes(row)
	for name := range in.Attributes {
		if have[name] != want[name] {
			return invalid("Attributes Reason: Topic already exists with different attributes")
		}
	}
	if len(in.Tags) > 0 && !slices.Equal(old.Tags.Sorted(), row.Tags.Sorted()) {
		return invalid("Tags Reason: Topic already exists with different tags")
	}
	return nil
}

// topicAttributes returns the attributes of a topic that can be set.
func topicAttributes(t *topic.Topic) map[string]string {
	out := map[string]string{"DisplayName": t.DisplayName, "Policy": t.Policy}
	for name, value := range map[string]string{
		"DeliveryPolicy": t.DeliveryPolicy, "SignatureVersion": t.SignatureVersion, "TracingConfig": t.TracingConfig,
	} {
		if value != "" {
			out[name] = value
		}
	}
	return out
}

const (
	maxDisplayName = 100
	maxPolicy      = 30 << 10
)

// setTopic sets an attribute of a topic.
func setTopic(t *topic.Topic, name, value string) error {
	switch name {
	case "DisplayName":
		if utf8.RuneCountInString(value) > maxDisplayName {
			return invalid("DisplayName Reason: it has more than %d characters", maxDisplayName)
		}
		t.DisplayName = value
	case "Policy":
		if len(value) > maxPolicy || value != "" && !json.Valid([]byte(value)) {
			return invalid("Policy Error: it must be JSON of at most %d bytes", maxPolicy)
		}
		t.Policy = value
	case "DeliveryPolicy":
		if _, _, err := topic.ParseTopicPolicy(value); err != nil {
			return invalid("DeliveryPolicy: %s", err)
		}
		t.DeliveryPolicy = value
	case "SignatureVersion":
		if value != "1" && value != "2" {
			return invalid("SignatureVersion: it must be 1 or 2")
		}
		t.SignatureVersion = value
	case "TracingConfig":
		if value != "PassThrough" {
			return invalid("TracingConfig: Berth does not trace messages; it must be PassThrough")
		}
		t.TracingConfig = value
	case "FifoTopic":
		if value != "false" {
			return invalid("FifoTopic: Berth does not support FIFO topics")
		}
	default:
		return invalid("AttributeName Reason: Berth does not support the attribute %q of topics; it supports "+
			"DeliveryPolicy, DisplayName, Policy, SignatureVersion and TracingConfig", name)
	}
	return nil
}

func (a *api) setTopicAttributes(
	ctx context.Context, call *awswire.Call, in *shape.SetTopicAttributesInput,
) (*shape.SetTopicAttributesOutput, error) {
	return &shape.SetTopicAttributesOutput{}, a.store.Update(ctx, func(tx *state.Tx) error {
		old, err := findTopic(&tx.Tables, call, in.TopicArn)
		if err != nil {
			return err
		}
		put := *old
		if err := setTopic(&put, *in.AttributeName, request.Value(in.AttributeValue)); err != nil {
			return err
		}
		tx.Topics.Put(&put)
		return nil
	})
}

func (a *api) deleteTopic(
	ctx context.Context, call *awswire.Call, in *shape.DeleteTopicInput,
) (*shape.DeleteTopicOutput, error) {
	key, err := topicARN(call, "TopicArn", in.TopicArn)
	if err != nil {
		return nil, err
	}
	return &shape.DeleteTopicOutput{}, a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.Topics.Get(key); ok { // deleting a topic that does not exist succeeds, as on AWS
			tx.DeleteTopic(key)
		}
		return nil
	})
}

func (a *api) listTopics(
	_ context.Context, call *awswire.Call, in *shape.ListTopicsInput,
) (*shape.ListTopicsOutput, error) {
	list := a.store.View().Topics.Prefix(topic.Prefix(call.Region, call.Account))
	found, next, err := request.Cut(call, pages.Ask(nil, in.NextToken), list,
		func(t *topic.Topic) string { return t.ARN })
	return &shape.ListTopicsOutput{NextToken: next, Topics: request.Answers(found, func(t *topic.Topic) shape.Topic {
		return shape.Topic{TopicArn: &t.ARN}
	})}, err
}

func (a *api) getTopicAttributes(
	_ context.Context, call *awswire.Call, in *shape.GetTopicAttributesInput,
) (*shape.GetTopicAttributesOutput, error) {
	tables := &a.store.View().Tables
	t, err := findTopic(tables, call, in.TopicArn)
	if err != nil {
		return nil, err
	}
	counts := map[topic.Status]int{}
	for s := range tables.SubscriptionsOf(t.ARN) {
		if !s.Expired(call.Now) {
			counts[s.Status]++
		}
	}
	out := topicAttributes(t)
	out["TopicArn"], out["Owner"] = t.ARN, t.Account
	out["SubscriptionsPending"] = strconv.Itoa(counts[topic.Pending])
	out["SubscriptionsConfirmed"] = strconv.Itoa(counts[topic.Confirmed])
	out["SubscriptionsDeleted"] = strconv.Itoa(counts[topic.Deleted])
	if t.Policy == "" {
		out["Policy"] = defaultPolicy(t)
	}
	policy, overrides, err := topic.ParseTopicPolicy(t.DeliveryPolicy)
	out["EffectiveDeliveryPolicy"] = policy.TopicJSON(overrides)
	return &shape.GetTopicAttributesOutput{Attributes: out}, err
}

// defaultPolicy is the policy of a topic for which none was set, as on AWS.
func defaultPolicy(t *topic.Topic) string {
	return `{"Version":"2008-10-17","Id":"__default_policy_ID","Statement":[{"Sid":"__default_statement_ID",` +
		`"Effect":"Allow","Principal":{"AWS":"*"},"Action":["SNS:GetTopicAttributes","SNS:SetTopicAttributes",` +
		`"SNS:AddPermission","SNS:RemovePermission","SNS:DeleteTopic","SNS:Subscribe","SNS:ListSubscriptionsByTopic",` +
		`"SNS:Publish"],"Resource":"` + t.ARN + `","Condition":{"StringEquals":{"AWS:SourceOwner":"` + t.Account +
		`"}}}]}`
}
