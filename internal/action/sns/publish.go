package sns

import (
	"context"
	"encoding/json"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/sns"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

func (a *api) publish(
	ctx context.Context, call *awswire.Call, in *shape.PublishInput,
) (*shape.PublishOutput, error) {
	to := in.TopicArn
	switch {
	case in.TopicArn != nil && in.TargetArn != nil:
		return nil, invalid("Only one of TopicArn and TargetArn may be given")
	case in.TopicArn == nil && in.TargetArn == nil:
		return nil, invalid("TopicArn or TargetArn Reason: no value for required parameter")
	case in.TargetArn != nil:
		to = in.TargetArn
	}
	p, err := parseMessage(call, to, &shape.PublishBatchRequestEntry{
		Message: in.Message, MessageAttributes: in.MessageAttributes, MessageStructure: in.MessageStructure,
		Subject: in.Subject,
	})
	if err != nil {
		return nil, err
	}
	return &shape.PublishOutput{MessageId: &p.ID}, a.send(ctx, call, p)
}

// send publishes messages of one topic in one transaction.
func (a *api) send(ctx context.Context, call *awswire.Call, messages ...*topic.Publication) error {
	type counts struct{ due, full int }
	sent := make([]counts, len(messages))
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		for i, p := range messages {
			if _, err := findTopic(&tx.Tables, call, &p.TopicARN); err != nil {
				return err
			}
			due, full, err := tx.Publish(p)
			if err != nil {
				return fault.New(shape.CodeThrottled, "The message is not published: %v. Publish it again later.", err)
			}
			sent[i] = counts{due, full}
		}
		return nil
	})
	if err != nil {
		return err
	}
	for i, p := range messages {
		a.published(p, sent[i].due, sent[i].full)
	}
	return nil
}

// subject is 1 to 100 printable characters that begin with one that is not a space.
var subject = regexp.MustCompile(`^[\x21-\x7e][\x20-\x7e]{0,99}$`)

func parseMessage(
	call *awswire.Call, to *string, in *shape.PublishBatchRequestEntry,
) (*topic.Publication, error) {
	key, err := topicARN(call, "TopicArn", to)
	if err != nil {
		return nil, err
	}
	p := &topic.Publication{
		ID: newid.UUID(call.Random), TopicARN: key, Subject: request.Value(in.Subject), Message: *in.Message,
		At: call.Now,
	}
	switch {
	case p.Message == "":
		return nil, invalid("Empty message")
	case !utf8.ValidString(p.Message):
		return nil, invalid("Message Reason: it is not UTF-8")
	case in.Subject != nil && !subject.MatchString(p.Subject):
		return nil, invalid("Subject")
	}
	if err := parseStructure(p, in.MessageStructure); err != nil {
		return nil, err
	}
	if p.Attributes, err = parseAttributes(in.MessageAttributes); err != nil {
		return nil, err
	}
	if p.Size() > topic.MaxMessage {
		return nil, invalid("Message too long")
	}
	return p, nil
}

// parseStructure reads messages for single protocols: MessageStructure json.
func parseStructure(p *topic.Publication, structure *string) error {
	if structure == nil {
		return nil
	}
	if *structure != "json" {
		return invalid("MessageStructure Reason: it must be json")
	}
	var in map[string]json.RawMessage
	if err := json.Unmarshal([]byte(p.Message), &in); err != nil {
		return invalid("Message Structure - JSON message body failed to parse")
	}
	texts := make(map[string]string)
	for protocol, raw := range in {
		var text string
		if json.Unmarshal(raw, &text) == nil { // values of other types are ignored, as on AWS
			texts[protocol] = text
		}
	}
	fallback, ok := texts["default"]
	if !ok {
		return invalid("Message Structure - No default entry in JSON message body")
	}
	p.Message = fallback
	for _, protocol := range topic.Protocols {
		if text, ok := texts[protocol]; ok {
			if p.PerProtocol == nil {
				p.PerProtocol = make(map[string]string)
			}
			p.PerProtocol[protocol] = text
		}
	}
	return nil
}

var attributeName = regexp.MustCompile(`^[A-Za-z0-9_-]+(\.[A-Za-z0-9_-]+)*$`)

func parseAttributes(in map[string]shape.MessageAttributeValue) (map[string]topic.Attribute, error) {
	var out map[string]topic.Attribute
	for name, value := range in {
		lower := strings.ToLower(name)
		if len(name) > 256 || !attributeName.MatchString(name) || strings.HasPrefix(lower, "aws.") ||
			strings.HasPrefix(lower, "amazon.") {
			return nil, valueInvalid("Invalid parameter: the message attribute name %q: it has letters, digits and "+
				"characters of _-., and does not begin with AWS. or Amazon.", name)
		}
		a, err := parseAttribute(name, value)
		if err != nil {
			return nil, err
		}
		if out == nil {
			out = make(map[string]topic.Attribute)
		}
		out[name] = a
	}
	return out, nil
}

func parseAttribute(name string, in shape.MessageAttributeValue) (topic.Attribute, error) {
	a := topic.Attribute{Type: *in.DataType, String: request.Value(in.StringValue), Binary: in.BinaryValue}
	kind, _, _ := strings.Cut(a.Type, ".")
	switch kind {
	case "String", "Number":
		if a.String == "" || in.BinaryValue != nil {
			return a, valueInvalid("The message attribute '%s' must contain non-empty message attribute value for "+
				"message attribute type '%s'.", name, a.Type)
		}
	case "Binary":
		if len(a.Binary) == 0 || in.StringValue != nil {
			return a, valueInvalid("The message attribute '%s' must contain non-empty message attribute value for "+
				"message attribute type '%s'.", name, a.Type)
		}
	default:
		return a, valueInvalid("The message attribute '%s' has an invalid message attribute type, the set of "+
			"supported "+
			"type prefixes is Binary, Number, and String.", name)
	}
	if _, err := strconv.ParseFloat(a.String, 64); kind == "Number" && err != nil {
		return a, valueInvalid("Could not cast message attribute '%s' value to number.", name)
	}
	if a.Type == "String.Array" && !json.Valid([]byte(a.String)) {
		return a, valueInvalid("The message attribute '%s' of the type String.Array must be a JSON array.", name)
	}
	return a, nil
}

func valueInvalid(format string, args ...any) *fault.Error {
	return fault.New(shape.CodeParameterValueInvalid, format, args...)
}

const maxBatch = 10

var batchID = regexp.MustCompile(`^[A-Za-z0-9_-]{1,80}$`)

func (a *api) publishBatch(
	ctx context.Context, call *awswire.Call, in *shape.PublishBatchInput,
) (*shape.PublishBatchOutput, error) {
	out := &shape.PublishBatchOutput{}
	entries := in.PublishBatchRequestEntries
	if err := checkBatch(entries); err != nil {
		return nil, err
	}
	if _, err := findTopic(&a.store.View().Tables, call, in.TopicArn); err != nil {
		return nil, err
	}
	var messages []*topic.Publication
	size := 0
	for i := range entries {
		p, err := parseMessage(call, in.TopicArn, &entries[i])
		if f, ok := err.(*fault.Error); ok {
			out.Failed = append(out.Failed, shape.BatchResultErrorEntry{
				Id: entries[i].Id, Code: &f.Code, Message: &f.Message, SenderFault: new(true)})
			continue
		}
		if err != nil {
			return nil, err
		}
		size += p.Size()
		messages = append(messages, p)
		out.Successful = append(out.Successful, shape.PublishBatchResultEntry{Id: entries[i].Id, MessageId: &p.ID})
	}
	if size > topic.MaxMessage {
		return nil, fault.New(shape.CodeBatchRequestTooLong, "The length of all the batch messages put together "+
			"is more "+
			"than the limit.")
	}
	return out, a.send(ctx, call, messages...)
}

func checkBatch(entries []shape.PublishBatchRequestEntry) error {
	if len(entries) == 0 {
		return fault.New(shape.CodeEmptyBatchRequest, "The batch request doesn't contain any entries.")
	}
	if len(entries) > maxBatch {
		return fault.New(shape.CodeTooManyEntriesInBatchRequest, "The batch request contains more entries than "+
			"permissible: %d of at most %d.", len(entries), maxBatch)
	}
	seen := make(map[string]bool)
	for _, e := range entries {
		if !batchID.MatchString(*e.Id) {
			return fault.New(shape.CodeInvalidBatchEntryId, "The Id of a batch entry in a batch request doesn't "+
				"abide by "+
				"the specification: %q.", *e.Id)
		}
		if seen[*e.Id] {
			return fault.New(shape.CodeBatchEntryIdsNotDistinct, "Two or more batch entries in the request have the "+
				"same Id.")
		}
		seen[*e.Id] = true
	}
	return nil
}
