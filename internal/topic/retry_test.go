package topic

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// delays returns all delays of a policy in seconds.
func delays(r Retries) (all []int) {
	for n := 1; ; n++ {
		d, more := r.Delay(n)
		if !more {
			return all
		}
		all = append(all, int(d/time.Second))
	}
}

func TestDelays(t *testing.T) {
	for name, c := range map[string]struct {
		retries Retries
		want    []int
	}{
		"default": {DefaultPolicy().Retries, []int{20, 20, 20}},
		"none":    {Retries{MinDelay: 1, MaxDelay: 1, Backoff: linear}, nil},
		"phases": {Retries{MinDelay: 5, MaxDelay: 15, Number: 8, AtOnce: 2, AtMin: 1, AtMax: 2, Backoff: linear},
			[]int{0, 0, 5, 5, 10, 15, 15, 15}},
		"linear":     {Retries{MinDelay: 10, MaxDelay: 50, Number: 5, Backoff: linear}, []int{10, 20, 30, 40, 50}},
		"arithmetic": {Retries{MinDelay: 10, MaxDelay: 50, Number: 5, Backoff: arithmetic}, []int{10, 14, 22, 34, 50}},
		"geometric":  {Retries{MinDelay: 1, MaxDelay: 16, Number: 5, Backoff: geometric}, []int{1, 2, 4, 8, 16}},
		"exponential": {Retries{MinDelay: 10, MaxDelay: 40, Number: 5, Backoff: exponential},
			[]int{10, 12, 16, 24, 40}},
		"one": {Retries{MinDelay: 3, MaxDelay: 9, Number: 1, Backoff: geometric}, []int{3}},
	} {
		if got := delays(c.retries); !slices.Equal(got, c.want) {
			t.Errorf("%s: %v, want %v", name, got, c.want)
		}
	}
	if _, again := DefaultPolicy().Retries.Delay(0); again {
		t.Error("a delivery that has not failed is tried again")
	}
}

// The delays of every policy that is accepted are as many as its retries, never shrink, stay within its bounds, and
// take an hour at most.
func TestDelaysOfEveryPolicy(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := Retries{
			MinDelay: rapid.IntRange(0, 100).Draw(t, "min"), MaxDelay: rapid.IntRange(0, 200).Draw(t, "max"),
			Number: rapid.IntRange(-1, 101).Draw(t, "number"), AtOnce: rapid.IntRange(-1, 5).Draw(t, "at once"),
			AtMin: rapid.IntRange(-1, 5).Draw(t, "at min"), AtMax: rapid.IntRange(-1, 5).Draw(t, "at max"),
			Backoff: rapid.SampledFrom([]string{linear, arithmetic, geometric, exponential, "", "x"}).Draw(t, "how"),
		}
		if r.check() != "" {
			return
		}
		all := delays(r)
		total := 0
		for i, d := range all {
			total += d
			if d > r.MaxDelay || i >= r.AtOnce && d < r.MinDelay || i > 0 && d < all[i-1] {
				t.Fatalf("%+v: %v", r, all)
			}
		}
		if len(all) != r.Number || total > 3600 {
			t.Fatalf("%+v: %d delays, %d seconds", r, len(all), total)
		}
	})
}

func TestTopicPolicies(t *testing.T) {
	p, overrides, err := ParseTopicPolicy("")
	if err != nil || !overrides || p != DefaultPolicy() {
		t.Errorf("none: %+v %t %v", p, overrides, err)
	}
	p, overrides, err = ParseTopicPolicy(`{"http":{"defaultHealthyRetryPolicy":{"numRetries":7,"maxDelayTarget":60},` +
		`"disableSubscriptionOverrides":true,"defaultRequestPolicy":{"headerContentType":"application/json"}}}`)
	if err != nil || overrides || p.Retries.Number != 7 || p.Retries.MaxDelay != 60 || p.Retries.MinDelay != 20 ||
		p.Request.ContentType != "application/json" {
		t.Errorf("%+v %t %v", p, overrides, err)
	}
	for policy, want := range map[string]string{
		`x`:             "invalid character",
		`{"https":{}}`:  "unknown field",
		`{"http":{}} x`: "followed by other text",
		`{"http":{"defaultThrottlePolicy":{"maxReceivesPerSecond":1}}}`: "does not support " +
			"throttlePolicy",
		`{"http":{"defaultHealthyRetryPolicy":{"numRetries":101}}}`:                     "numRetries must be",
		`{"http":{"defaultHealthyRetryPolicy":{"minDelayTarget":21}}}`:                  "minDelayTarget",
		`{"http":{"defaultHealthyRetryPolicy":{"numNoDelayRetries":4}}}`:                "together not more",
		`{"http":{"defaultHealthyRetryPolicy":{"backoffFunction":"random"}}}`:           "backoffFunction must be",
		`{"http":{"defaultHealthyRetryPolicy":{"numRetries":100,"maxDelayTarget":99}}}`: "are allowed",
		`{"http":{"defaultRequestPolicy":{"headerContentType":"a\r\nb: c"}}}`:           "is not supported",
	} {
		if _, _, err := ParseTopicPolicy(policy); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", policy, err, want)
		}
	}
}

// A subscription's policy replaces what it says of its topic's, unless the topic forbids it.
func TestPolicyOfSubscription(t *testing.T) {
	own := `{"healthyRetryPolicy":{"numRetries":1}}`
	free := `{"http":{"defaultHealthyRetryPolicy":{"numRetries":7,"minDelayTarget":9}}}`
	forbidden := strings.Replace(free, `"http":{`, `"http":{"disableSubscriptionOverrides":true,`, 1)
	for _, c := range []struct {
		topic, own    string
		number, least int
	}{
		{"", "", 3, 20}, {"", own, 1, 20}, {free, "", 7, 9}, {free, own, 1, 9}, {forbidden, own, 7, 9},
		{"damaged", own, 1, 20}, {free, "damaged", 7, 9},
	} {
		p := PolicyOf(&Topic{DeliveryPolicy: c.topic}, &Subscription{DeliveryPolicy: c.own})
		if p.Retries.Number != c.number || p.Retries.MinDelay != c.least {
			t.Errorf("%s with %s: %+v", c.topic, c.own, p)
		}
	}
	for policy, want := range map[string]string{
		`{"throttlePolicy":{"maxReceivesPerSecond":1}}`: "does not support",
		`{"http":{}}`: "unknown field",
		`{"healthyRetryPolicy":{"numRetries":-1}}`: "numRetries",
	} {
		if _, err := ParsePolicy(policy, DefaultPolicy()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", policy, err, want)
		}
	}
}

// The effective policies are written as AWS writes them, and can be read again.
func TestEffectivePolicies(t *testing.T) {
	p := DefaultPolicy()
	p.Retries.Number = 5
	again, overrides, err := ParseTopicPolicy(p.TopicJSON(false))
	if err != nil || overrides || again != p {
		t.Errorf("%+v %t %v", again, overrides, err)
	}
	own, err := ParsePolicy(p.JSON(), DefaultPolicy())
	if err != nil || own != p {
		t.Errorf("%+v %v", own, err)
	}
	if !strings.Contains(p.JSON(), `"healthyRetryPolicy":{"minDelayTarget":20,"maxDelayTarget":20,"numRetries":5`) {
		t.Error(p.JSON())
	}
}
