// Package sns has the actions of Amazon SNS: one file for each thing they act on. Messages are delivered to HTTP and
// HTTPS endpoints by control/notify; every other protocol is refused by name, and so are FIFO topics, encryption and
// dead-letter queues.
package sns

import (
	"context"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/sns"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
	"github.com/berthhq/berth/internal/topic"
)

// Observer is called for every message that was published, after it is on disk: it will be delivered to due
// subscriptions. It may be called concurrently.
type Observer func(p *topic.Publication, due, full int)

type api struct {
	store     *state.Store
	published Observer
}

// Service returns the actions of Amazon SNS.
func Service(store *state.Store, published Observer) awswire.Service {
	a := &api{store, published}
	return awswire.Service{
		Name: shape.SigningName, Protocols: []awswire.Protocol{awswire.Query},
		Version: shape.APIVersion, Namespace: shape.XMLNamespace,
		ValidationCode: shape.CodeInvalidParameter, TokenName: "NextToken",
		Statuses: map[string]int{shape.CodeNotFound: 404, shape.CodeResourceNotFound: 404, shape.CodeThrottled: 429},
		// PublishBatch has 256 KiB, of which each byte may be written as three ("%41").
		MaxBody: 1 << 20,
		Operations: []awswire.Operation{
			awswire.Op("CreateTopic", a.createTopic).Refuses("DataProtectionPolicy"),
			awswire.Op("DeleteTopic", a.deleteTopic),
			awswire.Op("ListTopics", a.listTopics),
			awswire.Op("GetTopicAttributes", a.getTopicAttributes),
			awswire.Op("SetTopicAttributes", a.setTopicAttributes),
			awswire.Op("Subscribe", a.subscribe),
			awswire.Op("ConfirmSubscription", a.confirmSubscription),
			awswire.Op("Unsubscribe", a.unsubscribe),
			awswire.Op("ListSubscriptions", a.listSubscriptions),
			awswire.Op("ListSubscriptionsByTopic", a.listSubscriptionsByTopic),
			awswire.Op("GetSubscriptionAttributes", a.getSubscriptionAttributes),
			awswire.Op("SetSubscriptionAttributes", a.setSubscriptionAttributes),
			awswire.Op("Publish", a.publish).Refuses("PhoneNumber", "MessageDeduplicationId", "MessageGroupId"),
			awswire.Op("PublishBatch", a.publishBatch).Refuses("PublishBatchRequestEntries[].MessageDeduplicationId",
				"PublishBatchRequestEntries[].MessageGroupId"),
			awswire.Op("TagResource", a.tagResource),
			awswire.Op("UntagResource", a.untagResource),
			awswire.Op("ListTagsForResource", a.listTagsForResource),
		},
	}
}

func invalid(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeInvalidParameter, "Invalid parameter: "+format, args...)
}

func notFound(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeNotFound, format, args...)
}

// pages are those of all lists: their sizes are fixed, as on AWS.
var pages = request.Pages{Default: 100, Least: 100, Most: 100}

// topicARN checks the ARN of a topic of the caller's account and region.
func topicARN(call *awswire.Call, name string, value *string) (string, error) {
	a, err := arn.Parse(request.Value(value))
	if err != nil || a.Service != "sns" || strings.Contains(a.Resource, ":") {
		return "", invalid("%s Reason: %q is not the ARN of a topic", name, request.Value(value))
	}
	if a.Region != call.Region || a.Account != call.Account {
		return "", invalid("%s Reason: the topic is of another region or account than the call", name)
	}
	return *value, nil
}

func noTopic() *fault.Error { return notFound("Topic does not exist") }

// findTopic finds the topic that a call names.
func findTopic(tables *state.Tables, call *awswire.Call, value *string) (*topic.Topic, error) {
	key, err := topicARN(call, "TopicArn", value)
	if err != nil {
		return nil, err
	}
	t, ok := tables.Topics.Get(key)
	if !ok {
		return nil, noTopic()
	}
	return t, nil
}

var tagRules = tag.Rules{
	Code:          shape.CodeInvalidParameter,
	Duplicate:     "Invalid parameter: Duplicated keys are not allowed.",
	DuplicateCode: shape.CodeInvalidParameter,
	TooMany: fault.New(shape.CodeTagLimitExceeded, "Could not complete request: tag quota of per resource "+
		"exceeded"),
}

// tagged returns a function that finds the topic that an ARN names. Subscriptions have no tags.
func tagged(call *awswire.Call, resource *string) func(*state.Tables) (request.Tagged, error) {
	return func(tables *state.Tables) (request.Tagged, error) {
		key, err := topicARN(call, "ResourceArn", resource)
		if err != nil {
			return request.Tagged{}, err
		}
		found, ok := request.FindTagged(&tables.Topics, key, func(t *topic.Topic) *tag.Set { return &t.Tags },
			func(tx *state.Tx) state.Writable[topic.Topic] { return tx.Topics })
		if !ok {
			return request.Tagged{}, fault.New(shape.CodeResourceNotFound, "Resource does not exist")
		}
		return found, nil
	}
}

func (a *api) tagResource(
	ctx context.Context, call *awswire.Call, in *shape.TagResourceInput,
) (*shape.TagResourceOutput, error) {
	_, err := request.Retag(ctx, a.store, tagged(call, in.ResourceArn),
		request.AddTags(&tagRules, request.Tags(in.Tags)))
	return &shape.TagResourceOutput{}, err
}

func (a *api) untagResource(
	ctx context.Context, call *awswire.Call, in *shape.UntagResourceInput,
) (*shape.UntagResourceOutput, error) {
	_, err := request.Retag(ctx, a.store, tagged(call, in.ResourceArn), request.RemoveTags(in.TagKeys...))
	return &shape.UntagResourceOutput{}, err
}

func (a *api) listTagsForResource(
	_ context.Context, call *awswire.Call, in *shape.ListTagsForResourceInput,
) (*shape.ListTagsForResourceOutput, error) {
	found, err := tagged(call, in.ResourceArn)(&a.store.View().Tables)
	return &shape.ListTagsForResourceOutput{Tags: request.AnswerTags[shape.Tag](found.Tags)}, err
}
