package notify

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

func header(r *Request, name string) string {
	for _, h := range r.Header {
		if h[0] == name {
			return h[1]
		}
	}
	return ""
}

func document(t *testing.T, r *Request) (doc topic.Document) {
	t.Helper()
	if err := json.Unmarshal(r.Body, &doc); err != nil {
		t.Fatal(err)
	}
	return doc
}

// A message reaches every confirmed subscription that wants it, as AWS sends it, and its rows end with it.
func TestMessagesAreDelivered(t *testing.T) {
	bubble(t, func(w *world) {
		w.subscribe("a")
		w.subscribe("b", func(s *topic.Subscription) { s.RawDelivery = true })
		w.subscribe("pending", func(s *topic.Subscription) { s.Status = topic.Pending })
		w.subscribe("other", func(s *topic.Subscription) { s.FilterPolicy = `{"room":["x"]}` })
		w.publish("m1")
		synctest.Wait()
		got := w.endpoint.requests()
		if len(got) != 2 {
			t.Fatalf("%d requests", len(got))
		}
		slices.SortFunc(got, func(a, b sent) int { return strings.Compare(a.URL, b.URL) })
		for name, want := range map[string]string{
			"x-amz-sns-message-type": "Notification", "x-amz-sns-message-id": "m1", "x-amz-sns-topic-arn": ops,
			"x-amz-sns-subscription-arn": ops + ":a", "Content-Type": "text/plain; charset=UTF-8",
			"User-Agent": "Amazon Simple Notification Service Agent", "x-amz-sns-rawdelivery": "",
		} {
			if h := header(got[0].Request, name); h != want {
				t.Errorf("header %s is %q, want %q", name, h, want)
			}
		}
		doc := document(t, got[0].Request)
		if doc.Subject != "about m1" || doc.Message != "text of m1" || doc.SignatureVersion != "1" ||
			doc.SigningCertURL != "http://"+host+testKey().CertificatePath() || !strings.HasPrefix(doc.UnsubscribeURL,
			"http://"+host+"/?Action=Unsubscribe&SubscriptionArn=arn%3Aaws%3Asns") {
			t.Errorf("%s", got[0].Body)
		}
		if string(got[1].Body) != "text of m1" || header(got[1].Request, "x-amz-sns-rawdelivery") != "true" {
			t.Errorf("raw: %s %v", got[1].Body, got[1].Header)
		}
		if w.left() != [2]int{} {
			t.Errorf("left are %v", w.left())
		}
	})
}

// An endpoint that fails is asked again three times, twenty seconds apart, as by AWS's default policy. Then the message
// is given up, and the log says so.
func TestRetriesOfTheDefaultPolicy(t *testing.T) {
	bubble(t, func(w *world) {
		w.endpoint.answer = func(int, *Request) Outcome { return Outcome{"status 503", true} }
		w.subscribe("a")
		w.publish("m1")
		began := time.Now()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		var at []time.Duration
		for _, r := range w.endpoint.requests() {
			at = append(at, r.at.Sub(began).Round(time.Second))
		}
		if want := []time.Duration{0, 20e9, 40e9, 60e9}; !slices.Equal(at, want) {
			t.Errorf("attempts at %v, want %v", at, want)
		}
		if w.left() != [2]int{} || !strings.Contains(w.log.String(), `attempts=4 reason="status 503"`) {
			t.Errorf("left are %v; the log: %s", w.left(), &w.log)
		}
	})
}

// A policy of the topic, or of the subscription, decides the retries.
func TestRetriesOfOwnPolicies(t *testing.T) {
	bubble(t, func(w *world) {
		w.endpoint.answer = func(int, *Request) Outcome { return Outcome{"status 503", true} }
		w.subscribe("a", func(s *topic.Subscription) {
			s.DeliveryPolicy = `{"healthyRetryPolicy":{"numRetries":2,"numNoDelayRetries":1,"minDelayTarget":5,` +
				`"maxDelayTarget":5},"requestPolicy":{"headerContentType":"application/json"}}`
		})
		w.publish("m1")
		began := time.Now()
		time.Sleep(5 * time.Minute)
		synctest.Wait()
		var at []time.Duration
		for _, r := range w.endpoint.requests() {
			at = append(at, r.at.Sub(began).Round(time.Second))
			if h := header(r.Request, "Content-Type"); h != "application/json" {
				t.Errorf("content type %s", h)
			}
		}
		if want := []time.Duration{0, 0, 5e9}; !slices.Equal(at, want) {
			t.Errorf("attempts at %v, want %v", at, want)
		}
	})
}

// A message that an endpoint refuses for good is not sent again.
func TestRefusedForGood(t *testing.T) {
	bubble(t, func(w *world) {
		w.endpoint.answer = func(int, *Request) Outcome { return Outcome{"status 404", false} }
		w.subscribe("a")
		w.publish("m1")
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(w.endpoint.requests()); n != 1 || w.left() != [2]int{} {
			t.Errorf("%d requests, left are %v", n, w.left())
		}
	})
}

// A server that ends between an attempt and the next one goes on where it was; one that ends while it waits for the
// answer sends the message again.
func TestNothingIsLostByACrash(t *testing.T) {
	bubble(t, func(w *world) {
		hang := make(chan struct{})
		w.endpoint.answer = func(n int, _ *Request) Outcome {
			switch n {
			case 1:
				return Outcome{"status 500", true}
			case 2:
				<-hang
			}
			return Outcome{}
		}
		w.subscribe("a")
		w.publish("m1")
		time.Sleep(10 * time.Second)
		w.restart()
		time.Sleep(5 * time.Second)
		synctest.Wait()
		if n := len(w.endpoint.requests()); n != 1 {
			t.Fatalf("%d requests before the next attempt is due", n)
		}
		time.Sleep(6 * time.Second)
		synctest.Wait()
		if n := len(w.endpoint.requests()); n != 2 {
			t.Fatalf("%d requests when it is due", n)
		}
		go func() { // the server ends while the endpoint has the message
			time.Sleep(time.Second)
			close(hang)
		}()
		w.restart()
		synctest.Wait()
		if n := len(w.endpoint.requests()); n != 3 || w.left() != [2]int{} {
			t.Errorf("%d requests, left are %v", n, w.left())
		}
	})
}

// An endpoint that does not answer holds up its own messages only.
func TestSlowEndpointHoldsUpItself(t *testing.T) {
	bubble(t, func(w *world) {
		hang := make(chan struct{})
		w.endpoint.answer = func(_ int, r *Request) Outcome {
			if strings.Contains(r.URL, "slow") {
				<-hang
			}
			return Outcome{}
		}
		w.subscribe("slow")
		w.subscribe("fast")
		for i := range 20 {
			w.publish(fmt.Sprint("m", i))
		}
		time.Sleep(time.Second)
		synctest.Wait()
		count := map[string]int{}
		for _, r := range w.endpoint.requests() {
			count[r.URL]++
		}
		if count["http://fast.test/in"] != 20 || count["http://slow.test/in"] > atOnce {
			t.Errorf("requests: %v", count)
		}
		close(hang)
		time.Sleep(time.Second)
		synctest.Wait()
		if w.left() != [2]int{} {
			t.Errorf("left are %v", w.left())
		}
	})
}

// A subscription that is asked to confirm gets the token, and ends after three days without an answer.
func TestConfirmationIsAsked(t *testing.T) {
	bubble(t, func(w *world) {
		s := w.subscribe("a", func(s *topic.Subscription) { s.Status = topic.Pending })
		w.update(func(tx *state.Tx) { tx.AskEndpoint(s, topic.Confirmation, "c1", time.Now()) })
		synctest.Wait()
		got := w.endpoint.requests()
		if len(got) != 1 || header(got[0].Request, "x-amz-sns-message-type") != "SubscriptionConfirmation" ||
			header(got[0].Request, "x-amz-sns-subscription-arn") != "" {
			t.Fatalf("%v", got)
		}
		doc := document(t, got[0].Request)
		if doc.Token != "token-a" || !strings.HasSuffix(doc.SubscribeURL, "&Token=token-a") ||
			!strings.Contains(doc.Message, "visit the SubscribeURL") || doc.UnsubscribeURL != "" {
			t.Errorf("%s", got[0].Body)
		}
		time.Sleep(topic.ConfirmWithin - time.Minute)
		synctest.Wait()
		if _, ok := w.store.View().Subscriptions.Get(s.ARN); !ok {
			t.Error("it ended before its time")
		}
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		if _, ok := w.store.View().Subscriptions.Get(s.ARN); ok {
			t.Error("it is still there after three days")
		}
	})
}

// What an alarm has made due is published, once, with AWS's text, and the alarm's history has it (ecs.md 7.5).
func TestAlarmsPublish(t *testing.T) {
	bubble(t, func(w *world) {
		w.subscribe("a")
		a := &alarm.Alarm{
			ARN: alarm.ARN(region, account, "busy"), Name: "busy", Region: region, Account: account,
			ActionsEnabled: true, AlarmActions: []string{ops, ops + "-gone"},
			Measure:   alarm.Measure{Statistic: "Average", Metric: alarm.Metric{Namespace: "App", Name: "m"}},
			Condition: scaling.Condition{Comparison: scaling.Greater, Threshold: 70, Period: time.Minute, Periods: 3},
		}
		w.update(func(tx *state.Tx) {
			tx.PutAlarm(a, time.Now())
			s := tx.StatusOf(a)
			tx.SetAlarmStatus(a, s, s.Next(scaling.InAlarm, "Threshold Crossed", "", time.Now()))
		})
		synctest.Wait()
		w.restart()
		synctest.Wait()
		got := w.endpoint.requests()
		if len(got) != 1 || w.published != 1 {
			t.Fatalf("%d requests, %d published", len(got), w.published)
		}
		doc := document(t, got[0].Request)
		if doc.Subject != `ALARM: "busy" in US East (N. Virginia)` || !strings.Contains(doc.Message,
			`"NewStateValue":"ALARM","NewStateReason":"Threshold Crossed"`) {
			t.Errorf("%+v", doc)
		}
		var acted []string
		for h := range w.store.View().AlarmHistory.Prefix(alarm.HistoryPrefix(a.ARN)) {
			if h.Type == alarm.ActionItem {
				acted = append(acted, h.Summary)
			}
		}
		slices.Sort(acted)
		if want := []string{"Failed to execute action " + ops + `-gone. Received error: "Topic does not exist"`,
			"Successfully executed action " + ops}; !slices.Equal(acted, want) {
			t.Errorf("history: %q", acted)
		}
		if n := w.store.View().DueActions.Len(); n != 0 {
			t.Errorf("%d actions are still due", n)
		}
	})
}

// The topic and its subscriptions can end while messages wait.
func TestTopicEndsMeanwhile(t *testing.T) {
	bubble(t, func(w *world) {
		w.endpoint.answer = func(int, *Request) Outcome { return Outcome{"status 503", true} }
		w.subscribe("a")
		w.publish("m1")
		time.Sleep(time.Second)
		w.update(func(tx *state.Tx) { tx.DeleteTopic(ops) })
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(w.endpoint.requests()); n != 1 || w.left() != [2]int{} {
			t.Errorf("%d requests, left are %v", n, w.left())
		}
	})
}

// A message that cannot be sent does not make the others of its subscription be sent again.
func TestOneBadMessageAmongOthers(t *testing.T) {
	bubble(t, func(w *world) {
		hold := make(chan struct{})
		w.endpoint.answer = func(n int, _ *Request) Outcome {
			if n == 1 {
				<-hold // until the others are due
			}
			return Outcome{}
		}
		w.subscribe("a")
		for _, id := range []string{"m1", "m2", "m3"} {
			w.publish(id)
			time.Sleep(time.Millisecond)
		}
		w.update(func(tx *state.Tx) { tx.Publications.Delete("m2") })
		close(hold)
		time.Sleep(time.Hour)
		synctest.Wait()
		if n := len(w.endpoint.requests()); n != 2 || w.left() != [2]int{} {
			t.Errorf("%d requests, left are %v", n, w.left())
		}
		if !strings.Contains(w.log.String(), `message=m2 attempts=1 reason="the message is missing"`) {
			t.Errorf("the log: %s", &w.log)
		}
	})
}

// A message that cannot be signed is tried again like one that its endpoint does not accept: it is sent if the key is
// good in time, and given up otherwise. Messages that need no signature are sent once.
func TestMessagesThatCannotBeSigned(t *testing.T) {
	for what, c := range map[string]struct {
		bad  time.Duration // for how long the key is damaged
		sent int
	}{"for a while": {30 * time.Second, 2}, "for too long": {time.Hour, 1}} {
		t.Run(what, func(t *testing.T) {
			bubble(t, func(w *world) {
				damaged := *testKey()
				damaged.Sealed = damaged.Sealed[:5]
				w.update(func(tx *state.Tx) { tx.SigningKeys.Put(&damaged) })
				s := w.subscribe("a", func(s *topic.Subscription) { s.RawDelivery = true })
				w.update(func(tx *state.Tx) {
					tx.AskEndpoint(s, topic.Confirmation, "c1", time.Now())
					tx.Publish(&topic.Publication{ID: "m1", TopicARN: ops, Message: "m", At: time.Now()})
				})
				time.Sleep(c.bad)
				w.update(func(tx *state.Tx) { tx.SigningKeys.Put(testKey()) })
				time.Sleep(time.Hour)
				synctest.Wait()
				if n := len(w.endpoint.requests()); n != c.sent || w.left() != [2]int{} {
					t.Errorf("%d requests, left are %v", n, w.left())
				}
				told := strings.Contains(w.log.String(),
					`message=c1 attempts=4 reason="the key that signs messages is damaged"`)
				if told != (c.sent == 1) {
					t.Errorf("the log: %s", &w.log)
				}
			})
		})
	}
}

// A reset deletes the key. What is signed afterwards names a certificate that the server has.
func TestKeyAfterAReset(t *testing.T) {
	bubble(t, func(w *world) {
		w.subscribe("a")
		w.publish("m1")
		synctest.Wait()
		w.update(func(tx *state.Tx) {
			tx.Clear()
			tx.Topics.Put(&topic.Topic{ARN: ops, Name: "ops", Region: region, Account: account})
		})
		w.subscribe("a")
		w.publish("m2")
		synctest.Wait()
		got := w.endpoint.requests()
		if len(got) != 2 {
			t.Fatalf("%d requests", len(got))
		}
		for k := range w.store.View().SigningKeys.All() {
			if url := document(t, got[1].Request).SigningCertURL; url != "http://"+host+k.CertificatePath() {
				t.Errorf("signed with %s, the key is %s", url, k.ID)
			}
		}
		if w.store.View().SigningKeys.Len() != 1 {
			t.Errorf("%d keys", w.store.View().SigningKeys.Len())
		}
	})
}
