package topic

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"slices"
	"time"
)

// Retries has the number and the delays of retries after a failed delivery, as in AWS's delivery policies of HTTP
// endpoints. Delays are in seconds. Retries have four phases: without a delay, with the minimum delay, with increasing
// delays, and with the maximum delay.
type Retries struct {
	MinDelay int    `json:"minDelayTarget"`
	MaxDelay int    `json:"maxDelayTarget"`
	Number   int    `json:"numRetries"`
	AtMax    int    `json:"numMaxDelayRetries"`
	AtOnce   int    `json:"numNoDelayRetries"`
	AtMin    int    `json:"numMinDelayRetries"`
	Backoff  string `json:"backoffFunction"`
}

// RequestPolicy has the settings of requests to an endpoint.
type RequestPolicy struct {
	ContentType string `json:"headerContentType"`
}

// DeliveryPolicy is how messages are delivered to one subscription.
type DeliveryPolicy struct {
	Retries Retries       `json:"healthyRetryPolicy"`
	Request RequestPolicy `json:"requestPolicy"`
}

// The backoff functions.
const (
	linear      = "linear"
	arithmetic  = "arithmetic"
	geometric   = "geometric"
	exponential = "exponential"
)

// DefaultPolicy returns AWS's default: three retries with delays of twenty seconds.
func DefaultPolicy() DeliveryPolicy {
	return DeliveryPolicy{
		Retries: Retries{MinDelay: 20, MaxDelay: 20, Number: 3, Backoff: linear},
		Request: RequestPolicy{ContentType: "text/plain; charset=UTF-8"},
	}
}

// maxTotal limits the sum of all delays of a delivery, as on AWS.
const maxTotal = time.Hour

// Delay returns the delay before the next attempt after the given number of failed ones, and false if there is no next
// attempt.
func (r Retries) Delay(failed int) (time.Duration, bool) {
	n := failed - 1 // retries that were made already
	growing := r.Number - r.AtOnce - r.AtMin - r.AtMax
	switch {
	case failed < 1 || n >= r.Number:
		return 0, false
	case n < r.AtOnce:
		return 0, true
	case n < r.AtOnce+r.AtMin:
		return time.Duration(r.MinDelay) * time.Second, true
	case n < r.AtOnce+r.AtMin+growing:
		return r.grown(n-r.AtOnce-r.AtMin, growing), true
	}
	return time.Duration(r.MaxDelay) * time.Second, true
}

// grown returns the delay of step i of n in the phase of increasing delays, which begins with the minimum and ends with
// the maximum.
func (r Retries) grown(i, n int) time.Duration {
	low, high := float64(r.MinDelay), float64(r.MaxDelay)
	if n == 1 {
		return time.Duration(r.MinDelay) * time.Second
	}
	x := float64(i) / float64(n-1) // in [0,1]
	switch r.Backoff {
	case arithmetic: // the sum of 1, 2, …
		x = x * (float64(i) + 1) / float64(n)
	case geometric: // each delay is the same multiple of the one before
		return time.Duration(low * math.Pow(high/low, x) * float64(time.Second))
	case exponential:
		x = (math.Exp2(float64(i)) - 1) / (math.Exp2(float64(n-1)) - 1)
	}
	return time.Duration((low + x*(high-low)) * float64(time.Second))
}

// check returns what is wrong with the retries; "" if nothing is.
func (r Retries) check() string {
	switch {
	case r.Number < 0 || r.Number > 100:
		return "numRetries must be between 0 and 100"
	case r.MinDelay < 1 || r.MaxDelay < r.MinDelay || r.MaxDelay > 3600:
		return "minDelayTarget and maxDelayTarget must be between 1 and 3600, and the first not greater than the second"
	case min(r.AtOnce, r.AtMin, r.AtMax) < 0 || r.AtOnce+r.AtMin+r.AtMax > r.Number:
		return "numNoDelayRetries, numMinDelayRetries and numMaxDelayRetries must not be negative, and together not " +
			"more than numRetries"
	case !slices.Contains([]string{linear, arithmetic, geometric, exponential}, r.Backoff):
		return "backoffFunction must be linear, arithmetic, geometric or exponential"
	}
	var total time.Duration
	for n := 1; ; n++ {
		d, more := r.Delay(n)
		if !more {
			break
		}
		total += d
	}
	if total > maxTotal {
		return fmt.Sprintf("the delays add up to %s; at most %s are allowed", total, maxTotal)
	}
	return ""
}

// ParseTopicPolicy reads the DeliveryPolicy of a topic: {"http": {"defaultHealthyRetryPolicy": {…},
// "defaultRequestPolicy": {…}, "disableSubscriptionOverrides": false}}. "" is the default policy. overrides is false if
// subscriptions may not override the policy.
func ParseTopicPolicy(text string) (p DeliveryPolicy, overrides bool, err error) {
	p = DefaultPolicy()
	if text == "" {
		return p, true, nil
	}
	in := struct {
		HTTP topicPolicy `json:"http"`
	}{topicPolicy{Retries: &p.Retries, Request: &p.Request}}
	if err := strict(text, &in); err != nil {
		return DefaultPolicy(), true, err
	}
	if in.HTTP.Throttle != nil {
		return DefaultPolicy(), true, errThrottle
	}
	return p, !in.HTTP.Disabled, p.check()
}

type topicPolicy struct {
	Retries  *Retries       `json:"defaultHealthyRetryPolicy"`
	Request  *RequestPolicy `json:"defaultRequestPolicy"`
	Disabled bool           `json:"disableSubscriptionOverrides"`
	Throttle any            `json:"defaultThrottlePolicy"`
}

// ParsePolicy reads the DeliveryPolicy of a subscription, which replaces parts of its topic's.
func ParsePolicy(text string, of DeliveryPolicy) (DeliveryPolicy, error) {
	if text == "" {
		return of, nil
	}
	in := struct {
		Retries  *Retries       `json:"healthyRetryPolicy"`
		Request  *RequestPolicy `json:"requestPolicy"`
		Throttle any            `json:"throttlePolicy"`
	}{Retries: &of.Retries, Request: &of.Request}
	if err := strict(text, &in); err != nil {
		return of, err
	}
	if in.Throttle != nil {
		return of, errThrottle
	}
	return of, of.check()
}

//lint:ignore ST1005 Berth is a name
var errThrottle = errors.New("Berth does not support throttlePolicy and defaultThrottlePolicy")

// PolicyOf returns the policy for deliveries of a topic to a subscription. Both policies were checked when they were
// written.
func PolicyOf(t *Topic, s *Subscription) DeliveryPolicy {
	p, overrides, err := ParseTopicPolicy(t.DeliveryPolicy)
	if err != nil {
		p = DefaultPolicy()
	}
	if overrides {
		if own, err := ParsePolicy(s.DeliveryPolicy, p); err == nil {
			return own
		}
	}
	return p
}

func (p *DeliveryPolicy) check() error {
	if wrong := p.Retries.check(); wrong != "" {
		return errors.New(wrong)
	}
	if !slices.Contains(contentTypes, p.Request.ContentType) {
		return fmt.Errorf("headerContentType %q is not supported", p.Request.ContentType)
	}
	return nil
}

// contentTypes are those that AWS supports.
var contentTypes = []string{
	"application/atom+xml", "application/json", "application/octet-stream", "application/soap+xml",
	"application/x-www-form-urlencoded", "application/xhtml+xml", "application/xml", "text/css",
	"text/csv", "text/html",
	"text/plain", "text/xml", "text/plain; charset=UTF-8", "text/plain; charset=utf-8",
}

// strict reads JSON and returns an error if it has unknown members.
func strict(text string, into any) error {
	d := json.NewDecoder(bytes.NewReader([]byte(text)))
	d.DisallowUnknownFields()
	if err := d.Decode(into); err != nil {
		return err
	}
	if d.More() {
		return errors.New("the JSON document is followed by other text")
	}
	return nil
}

// TopicJSON returns the policy as the EffectiveDeliveryPolicy of a topic.
func (p DeliveryPolicy) TopicJSON(overrides bool) string {
	return encoded(map[string]any{"http": map[string]any{
		"defaultHealthyRetryPolicy": p.Retries, "disableSubscriptionOverrides": !overrides,
		"defaultRequestPolicy": p.Request,
	}})
}

// JSON returns the policy as the EffectiveDeliveryPolicy of a subscription.
func (p DeliveryPolicy) JSON() string { return encoded(p) }

// encoded returns the JSON of a value that can always be encoded.
func encoded(v any) string {
	out, err := json.Marshal(v)
	if err != nil {
		panic("topic: no JSON: " + err.Error())
	}
	return string(out)
}
