package notify

import (
	"context"
	"errors"

	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

var errNoMessage = errors.New("the message is missing")

// request returns the request that delivers a message.
func (c *Controller) request(
	ctx context.Context, tables *state.Tables, t *topic.Topic, s *topic.Subscription, d *topic.Delivery,
) (*Request, error) {
	var p *topic.Publication
	if d.Kind == topic.Notification {
		var ok bool
		if p, ok = tables.Publications.Get(d.MessageID); !ok {
			return nil, errNoMessage
		}
	}
	header := [][2]string{
		{"Content-Type", topic.PolicyOf(t, s).Request.ContentType},
		{"User-Agent", "Amazon Simple Notification Service Agent"},
		{"x-amz-sns-message-type", string(d.Kind)},
		{"x-amz-sns-message-id", d.MessageID},
		{"x-amz-sns-topic-arn", s.TopicARN},
	}
	if d.Kind != topic.Confirmation {
		header = append(header, [2]string{"x-amz-sns-subscription-arn", s.ARN})
	}
	if s.RawDelivery && p != nil {
		header = append(header, [2]string{"x-amz-sns-rawdelivery", "true"})
		return &Request{s.Endpoint, header, []byte(p.Text(s.Protocol))}, nil
	}
	key, err := c.keys.get(ctx)
	if err != nil {
		return nil, err
	}
	base := "http://" + s.Host
	doc := topic.NewDocument(base, t, s, d, p)
	doc.SigningCertURL = base + key.path
	if doc.Signature, err = key.sign(doc.SignatureVersion, doc.StringToSign()); err != nil {
		return nil, err
	}
	body, err := doc.JSON()
	return &Request{s.Endpoint, header, body}, err
}
