package sns

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

const (
	version = "2010-03-31"
	ops     = "arn:aws:sns:us-east-1:123456789012:ops"
)

// office is a front desk with SNS, and what it has published.
type office struct {
	*testing.T
	*desktest.Desk
	store     *state.Store
	published []string
}

func open(t *testing.T) *office {
	o := &office{T: t, store: desktest.Store(t)}
	o.Desk = desktest.New(t, Service(o.store, func(p *topic.Publication, due, full int) {
		o.published = append(o.published, fmt.Sprintf("%s %d %d", p.Message, due, full))
	}))
	return o
}

// do makes a Query call, written as "Action a=b c=d", with values that are escaped as in URLs.
func (o *office) do(line string) string {
	o.Helper()
	form := desktest.Form(version, line)
	for name, values := range form {
		if v, err := url.QueryUnescape(values[0]); err == nil {
			form.Set(name, v)
		}
	}
	return o.Query(o.T, "sns", form)
}

// want makes a call and fails the test unless its answer has a text.
func (o *office) want(text, line string) string {
	o.Helper()
	out := o.do(line)
	if !strings.Contains(out, text) {
		o.Errorf("%s:\n%s\nwant %s", line, out, text)
	}
	return out
}

// subscription returns the only subscription.
func (o *office) subscription() *topic.Subscription {
	o.Helper()
	for s := range o.store.View().Subscriptions.All() {
		return s
	}
	o.Fatal("there is no subscription")
	return nil
}

func (o *office) subscribe(more string) *topic.Subscription {
	o.Helper()
	o.want("<TopicArn>"+ops+"</TopicArn>", "CreateTopic Name=ops")
	o.want("<SubscriptionArn>pending confirmation</SubscriptionArn>",
		"Subscribe TopicArn="+ops+" Protocol=http Endpoint=http://127.0.0.1:9/in"+more)
	return o.subscription()
}

// subscribeTo subscribes one more endpoint and returns its subscription.
func (o *office) subscribeTo(endpoint string) *topic.Subscription {
	o.Helper()
	o.do("Subscribe TopicArn=" + ops + " Protocol=http Endpoint=" + endpoint)
	entry := topic.EndpointEntry(ops, "http", endpoint)
	for s := range o.store.View().Subscriptions.By(state.SubscriptionsByEndpoint, entry) {
		return s
	}
	o.Fatalf("%s is not subscribed", endpoint)
	return nil
}

func (o *office) links() *Links {
	return &Links{
		Store: o.store, Logger: slog.New(slog.DiscardHandler), Now: time.Now, Random: rand.Reader,
		Next: http.NotFoundHandler(),
	}
}

func TestTopics(t *testing.T) {
	o := open(t)
	o.want("<TopicArn>"+ops+"</TopicArn>", "CreateTopic Name=ops Attributes.entry.1.key=DisplayName "+
		"Attributes.entry.1.value=Operators Tags.member.1.Key=team Tags.member.1.Value=chat")
	o.want("<TopicArn>"+ops+"</TopicArn>", "CreateTopic Name=ops") // again: the same topic
	o.want("InvalidParameter: Invalid parameter: Attributes Reason: Topic already exists with different attributes",
		"CreateTopic Name=ops Attributes.entry.1.key=DisplayName Attributes.entry.1.value=Others")
	o.want("InvalidParameter: Invalid parameter: Tags Reason: Topic already exists with different tags",
		"CreateTopic Name=ops Tags.member.1.Key=team Tags.member.1.Value=x")
	o.want("<member><TopicArn>"+ops+"</TopicArn></member>", "ListTopics")
	out := o.want("<key>DisplayName</key><value>Operators</value>", "GetTopicAttributes TopicArn="+ops)
	for _, text := range []string{"<key>Owner</key><value>123456789012</value>", "__default_policy_ID",
		"<key>SubscriptionsPending</key><value>0</value>", "&#34;numRetries&#34;:3", "EffectiveDeliveryPolicy"} {
		if !strings.Contains(out, text) {
			t.Errorf("GetTopicAttributes has no %s: %s", text, out)
		}
	}
	o.want("<Key>team</Key><Value>chat</Value>", "ListTagsForResource ResourceArn="+ops)
	o.want("TagResourceResponse", "TagResource ResourceArn="+ops+" Tags.member.1.Key=a Tags.member.1.Value=b")
	o.want("UntagResourceResponse", "UntagResource ResourceArn="+ops+" TagKeys.member.1=team")
	if out := o.want("<Key>a</Key>", "ListTagsForResource ResourceArn="+ops); strings.Contains(out, "team") {
		t.Errorf("tags: %s", out)
	}
	o.want("ResourceNotFound: Resource does not exist", "ListTagsForResource ResourceArn="+ops+"x")
	o.want("DeleteTopicResponse", "DeleteTopic TopicArn="+ops)
	o.want("DeleteTopicResponse", "DeleteTopic TopicArn="+ops) // it does not exist, as on AWS
	o.want("NotFound: Topic does not exist", "GetTopicAttributes TopicArn="+ops)
}

func TestTopicAttributes(t *testing.T) {
	o := open(t)
	o.do("CreateTopic Name=ops")
	set := func(name, value string) string {
		return "SetTopicAttributes TopicArn=" + ops + " AttributeName=" + name + " AttributeValue=" +
			url.QueryEscape(value)
	}
	for name, value := range map[string]string{
		"SignatureVersion": "2", "TracingConfig": "PassThrough", "Policy": `{"Version":"2012-10-17"}`,
		"DeliveryPolicy": `{"http":{"defaultHealthyRetryPolicy":{"numRetries":9}}}`, "FifoTopic": "false",
	} {
		o.want("SetTopicAttributesResponse", set(name, value))
	}
	o.want("&#34;numRetries&#34;:9", "GetTopicAttributes TopicArn="+ops)
	o.want("<key>SignatureVersion</key><value>2</value>", "GetTopicAttributes TopicArn="+ops)
	for want, line := range map[string]string{
		"it must be 1 or 2":                        set("SignatureVersion", "3"),
		"does not trace messages":                  set("TracingConfig", "Active"),
		"Policy Error":                             set("Policy", "{"),
		"DeliveryPolicy: ":                         set("DeliveryPolicy", "{"),
		"does not support FIFO topics":             set("FifoTopic", "true"),
		`the attribute "KmsMasterKeyId" of topics`: set("KmsMasterKeyId", "k"),
		"more than 100 characters":                 set("DisplayName", strings.Repeat("x", 101)),
		"NotFound: Topic does not " +
			"exist": "SetTopicAttributes TopicArn=" + ops + "x AttributeName=DisplayName",
		"names end with .fifo":      "CreateTopic Name=a.fifo",
		"is not the ARN of a topic": "GetTopicAttributes TopicArn=ops",
		"of another region or account than the " +
			"call": "GetTopicAttributes TopicArn=arn:aws:sns:eu-west-1:123456789012:ops",
		"DataProtectionPolicy": "CreateTopic Name=b DataProtectionPolicy={}",
	} {
		o.want(want, line)
	}
}

// A subscription waits for the token that its endpoint gets, and is listed as pending until then.
func TestSubscriptionIsConfirmed(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	o.want("<SubscriptionArn>PendingConfirmation</SubscriptionArn>", "ListSubscriptionsByTopic TopicArn="+ops)
	o.want("<key>SubscriptionsPending</key><value>1</value>", "GetTopicAttributes TopicArn="+ops)
	if n := o.store.View().Deliveries.Len(); n != 1 {
		t.Errorf("%d messages are due", n)
	}
	o.want("PublishResponse", "Publish TopicArn="+ops+" Message=early")
	o.want("InvalidParameter: Invalid parameter: Token", "ConfirmSubscription TopicArn="+ops+" Token=x")
	o.want("<SubscriptionArn>"+s.ARN, "ConfirmSubscription TopicArn="+ops+" Token="+s.Token)
	o.want("<SubscriptionArn>"+s.ARN, "ConfirmSubscription TopicArn="+ops+" Token="+s.Token) // again
	if n := o.store.View().Deliveries.Len(); n != 0 {
		t.Errorf("%d messages are due after the confirmation", n)
	}
	o.want("<SubscriptionArn>"+s.ARN, "ListSubscriptions")
	o.want("<SubscriptionArn>"+s.ARN, // subscribed again
		"Subscribe TopicArn="+ops+" Protocol=http Endpoint=http://127.0.0.1:9/in")
	o.want("already exists with different attributes", "Subscribe TopicArn="+ops+" Protocol=http "+
		"Endpoint=http://127.0.0.1:9/in Attributes.entry.1.key=RawMessageDelivery Attributes.entry.1.value=true")
	o.want("<MessageId>", "Publish TopicArn="+ops+" Message=hello")
	o.want("<MessageId>", "Publish TargetArn="+ops+" Message=again Subject=s")
	if got := strings.Join(o.published, ","); got != "early 0 0,hello 1 0,again 1 0" {
		t.Errorf("published: %s", got)
	}
	if v := o.store.View(); v.Deliveries.Len() != 2 || v.Publications.Len() != 2 {
		t.Errorf("%d deliveries of %d messages", v.Deliveries.Len(), v.Publications.Len())
	}
	o.want("UnsubscribeResponse", "Unsubscribe SubscriptionArn="+s.ARN)
	o.want("UnsubscribeResponse", "Unsubscribe SubscriptionArn="+s.ARN)
	if v := o.store.View(); v.Deliveries.Len() != 0 || v.Publications.Len() != 0 {
		t.Errorf("left are %d deliveries of %d messages", v.Deliveries.Len(), v.Publications.Len())
	}
	o.want("NotFound: Subscription does not exist", "GetSubscriptionAttributes SubscriptionArn="+s.ARN)
}

// A subscription that is asked for again gets another token, and keeps its ARN.
func TestSubscribeAgain(t *testing.T) {
	o := open(t)
	first := o.subscribe("")
	again := o.want("<SubscriptionArn>"+first.ARN, "Subscribe TopicArn="+ops+" Protocol=http "+
		"Endpoint=http://127.0.0.1:9/in ReturnSubscriptionArn=true")
	if second := o.subscription(); second.Token == first.Token || o.store.View().Deliveries.Len() != 1 {
		t.Errorf("%s: the same token, or %d messages", again, o.store.View().Deliveries.Len())
	}
}

func TestSubscriptionsThatAreRefused(t *testing.T) {
	o := open(t)
	o.do("CreateTopic Name=ops")
	subscribe := func(protocol, endpoint string) string {
		return "Subscribe TopicArn=" + ops + " Protocol=" + protocol + " Endpoint=" + url.QueryEscape(endpoint)
	}
	o.want("Topic does not exist", "Subscribe TopicArn="+ops+"x Protocol=http Endpoint=http://x")
	o.want("it must be true or false", "ConfirmSubscription TopicArn="+ops+" Token=t AuthenticateOnUnsubscribe=x")
	with := func(name, value string) string {
		return subscribe("http", "http://x/") + " Attributes.entry.1.key=" + name + " Attributes.entry.1.value=" + value
	}
	for _, protocol := range []string{"email", "email-json", "sms", "sqs", "application", "firehose"} {
		o.want("InvalidParameter: Invalid parameter: Protocol Reason: Berth does not deliver to "+protocol+
			"; use http or https", subscribe(protocol, "x"))
	}
	for want, line := range map[string]string{
		"it has no Lambda functions yet":                 subscribe("lambda", "arn:aws:lambda:us-east-1:1:function:f"),
		"Does not support this protocol string: gopher":  subscribe("gopher", "gopher://x"),
		"Endpoint must match the specified protocol":     subscribe("https", "http://x/"),
		"is not a URL with a host":                       subscribe("http", "http:///x"),
		"without a fragment":                             subscribe("http", "http://x/#y"),
		"more than 2048 characters":                      subscribe("http", "http://x/"+strings.Repeat("y", 2048)),
		"is not the ARN of a subscription":               "Unsubscribe SubscriptionArn=" + ops,
		`the attribute "RedrivePolicy" of subscriptions`: with("RedrivePolicy", "{}"),
		`filters by MessageAttributes only, not by "Mes`: with("FilterPolicyScope", "MessageBody"),
		"FilterPolicy: ":                                 with("FilterPolicy", "{"),
		"RawMessageDelivery Reason":                      with("RawMessageDelivery", "x"),
	} {
		o.want(want, line)
	}
	if n := o.store.View().Subscriptions.Len(); n != 0 {
		t.Errorf("%d subscriptions", n)
	}
}

// The password in an endpoint's URL is not shown.
func TestAttributesOfSubscriptions(t *testing.T) {
	o := open(t)
	o.do("CreateTopic Name=ops")
	o.do("Subscribe TopicArn=" + ops + " Protocol=https Endpoint=https://me:secret@x.test/in?a=b")
	s := o.subscription()
	set := func(name, value string) string {
		return "SetSubscriptionAttributes SubscriptionArn=" + s.ARN + " AttributeName=" + name + " AttributeValue=" +
			url.QueryEscape(value)
	}
	o.want("Response", set("RawMessageDelivery", "true"))
	o.want("Response", set("FilterPolicy", `{"room":["a"]}`))
	o.want("Response", set("DeliveryPolicy", `{"healthyRetryPolicy":{"numRetries":8}}`))
	out := o.want("<value>https://me:****@x.test/in?a=b</value>", "GetSubscriptionAttributes SubscriptionArn="+s.ARN)
	for _, text := range []string{"<key>PendingConfirmation</key><value>true</value>",
		"<key>RawMessageDelivery</key><value>true</value>",
		"<key>FilterPolicyScope</key><value>MessageAttributes</value>",
		"&#34;numRetries&#34;:8", "<key>TopicArn</key><value>" + ops} {
		if !strings.Contains(out, text) {
			t.Errorf("no %s in %s", text, out)
		}
	}
	if out := o.do("ListSubscriptions"); strings.Contains(out, "secret") {
		t.Errorf("the password is shown: %s", out)
	}
	o.want("Response", set("FilterPolicy", "{}"))
	if o.subscription().FilterPolicy != "" {
		t.Error("an empty policy is kept")
	}
	o.want("does not support the attribute", set("ReplayPolicy", "{}"))
}

func TestMessages(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	o.do("ConfirmSubscription TopicArn=" + ops + " Token=" + s.Token)
	publish := "Publish TopicArn=" + ops + " "
	attribute := " MessageAttributes.entry.1.Name=n MessageAttributes.entry.1.Value."
	for want, line := range map[string]string{
		"Message too long":                   publish + "Message=" + strings.Repeat("x", topic.MaxMessage+1),
		"Invalid parameter: Subject":         publish + "Message=x Subject=a%0Ab",
		"MessageStructure":                   publish + "Message=x MessageStructure=xml",
		"JSON message body failed to parse":  publish + "Message=x MessageStructure=json",
		"No default entry":                   publish + `Message={"http":"x"} MessageStructure=json`,
		"Only one of TopicArn and TargetArn": publish + "Message=x TargetArn=" + ops,
		"no value for required parameter":    "Publish Message=x",
		"PhoneNumber":                        "Publish Message=x PhoneNumber=1",
		"Topic does not exist":               "Publish Message=x TopicArn=" + ops + "x",
		"ParameterValueInvalid: The message attribute 'n' has an invalid message attribute " +
			"type": publish + "Message=x" +
			attribute + "DataType=Float" + attribute + "StringValue=1",
		"Could not cast message attribute 'n' value to number": publish + "Message=x" + attribute +
			"DataType=Number" + attribute + "StringValue=x",
		"must contain non-empty message attribute value": publish + "Message=x" + attribute + "DataType=String",
		"must be a JSON array": publish + "Message=x" + attribute + "DataType=String.Array" + attribute +
			"StringValue=[",
	} {
		o.want(want, line)
	}
	o.want("<MessageId>", publish+`Message={"default":"d","http":"h","email":"e"} MessageStructure=json`+
		attribute+"DataType=Number.int"+attribute+"StringValue=7")
	for p := range o.store.View().Publications.All() {
		if p.Message != "d" || p.Text("http") != "h" || p.Text("https") != "d" || p.Attributes["n"].String != "7" {
			t.Errorf("%+v", p)
		}
	}
}

func TestBatches(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	o.do("ConfirmSubscription TopicArn=" + ops + " Token=" + s.Token)
	batch := "PublishBatch TopicArn=" + ops
	entry := func(n int, id, message string) string {
		at := fmt.Sprintf(" PublishBatchRequestEntries.member.%d.", n)
		return at + "Id=" + id + at + "Message=" + message
	}
	out := o.want("<Successful><member><Id>a</Id><MessageId>", batch+entry(1, "a", "one")+entry(2, "b", "two")+
		" PublishBatchRequestEntries.member.2.Subject=a%0Ab")
	if !strings.Contains(out, "<Code>InvalidParameter</Code><Id>b</Id>") || len(o.published) != 1 {
		t.Errorf("%s, published %v", out, o.published)
	}
	many, long := "", strings.Repeat("x", 200<<10)
	for i := range 11 {
		many += entry(i+1, fmt.Sprint("i", i), "m")
	}
	for want, line := range map[string]string{
		"TooManyEntriesInBatchRequest": batch + many,
		"BatchEntryIdsNotDistinct":     batch + entry(1, "a", "x") + entry(2, "a", "x"),
		"InvalidBatchEntryId":          batch + entry(1, "a.b", "x"),
		"BatchRequestTooLong":          batch + entry(1, "a", long) + entry(2, "b", long),
		"Topic does not exist":         strings.Replace(batch, "ops", "none", 1) + entry(1, "a", "x"),
	} {
		o.want(want, line)
	}
}

// Messages that cannot be kept are refused or left out, and the caller and the log are told.
func TestBoundsOfMessages(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	o.do("ConfirmSubscription TopicArn=" + ops + " Token=" + s.Token)
	fill := func(fn func(*state.Tx)) {
		t.Helper()
		if err := o.store.Update(t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	fill(func(tx *state.Tx) {
		for i := range topic.MaxDue {
			tx.Publish(&topic.Publication{ID: fmt.Sprint(i), TopicARN: ops, Message: "m", At: time.Unix(int64(i), 0)})
		}
	})
	o.want("<MessageId>", "Publish TopicArn="+ops+" Message=late")
	if got := o.published[len(o.published)-1]; got != "late 0 1" {
		t.Errorf("published: %s", got)
	}
	errUndo := errors.New("undone")
	err := o.store.Update(t.Context(), func(tx *state.Tx) error {
		tx.DeleteSubscription(s.ARN)
		tx.Publications.Put(&topic.Publication{ID: "big", Message: strings.Repeat("x", topic.MaxBytes)})
		if _, _, err := tx.Publish(&topic.Publication{ID: "late", TopicARN: ops, Message: "m"}); err == nil {
			t.Error("a message is kept beyond the bound")
		}
		return errUndo
	})
	if err != errUndo {
		t.Error(err)
	}
}

// A topic has a bounded number of subscriptions, and a bounded number of deliveries waits.
func TestBoundsOfDeliveries(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	o.do("ConfirmSubscription TopicArn=" + ops + " Token=" + s.Token)
	fill := func(fn func(*state.Tx)) {
		t.Helper()
		if err := o.store.Update(t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
			t.Fatal(err)
		}
	}
	fill(func(tx *state.Tx) {
		for i := range topic.MaxPerTopic - 1 {
			arn := fmt.Sprint(ops, ":", i)
			tx.Subscriptions.Put(&topic.Subscription{ARN: arn, TopicARN: ops, Status: topic.Confirmed})
		}
	})
	o.want("SubscriptionLimitExceeded: Berth keeps 1000 subscriptions of a topic",
		"Subscribe TopicArn="+ops+" Protocol=http Endpoint=http://127.0.0.1:9/more")
	fill(func(tx *state.Tx) {
		for i := range topic.MaxDeliveries - topic.MaxPerTopic {
			tx.Deliveries.Put(&topic.Delivery{SubscriptionARN: "other", MessageID: fmt.Sprint(i)})
		}
	})
	o.want("<MessageId>", "Publish TopicArn="+ops+" Message=last")
	if got := o.published[len(o.published)-1]; got != "last 1000 0" {
		t.Errorf("published: %s", got)
	}
	o.want("Throttled: The message is not published: 50000 deliveries wait, and at most 50000 may "+
		"wait", "Publish TopicArn="+ops+" Message=late")
	if n := o.store.View().Deliveries.Len(); n != topic.MaxDeliveries {
		t.Errorf("%d deliveries wait", n)
	}
}

// The links in messages confirm and end a subscription without a signature, and a subscription that was ended by a link
// can be restored by its endpoint.
func TestLinks(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	links := o.links()
	get := func(link string) (int, string) {
		t.Helper()
		w := httptest.NewRecorder()
		links.ServeHTTP(w, httptest.NewRequest("GET", link, nil))
		return w.Code, w.Body.String()
	}
	if code, body := get(topic.ConfirmURL("http://x", s) + "0"); code != 400 || !strings.Contains(body,
		"<Code>InvalidParameter</Code><Message>Invalid parameter: Token</Message>") {
		t.Errorf("a wrong token: %d %s", code, body)
	}
	if code, body := get(topic.ConfirmURL("http://x", s)); code != 200 || !strings.Contains(body, s.ARN) {
		t.Errorf("confirmed: %d %s", code, body)
	}
	if code, body := get(topic.UnsubscribeURL("http://x", s)); code != 200 {
		t.Errorf("ended: %d %s", code, body)
	}
	o.want("<SubscriptionArn>Deleted</SubscriptionArn>", "ListSubscriptions")
	ended := o.subscription()
	for d := range o.store.View().Deliveries.All() {
		if d.Kind != topic.Farewell {
			t.Errorf("due is %+v", d)
		}
	}
	if code, _ := get(topic.ConfirmURL("http://x", s)); code != 400 {
		t.Errorf("the older token restores it: %d", code)
	}
	if code, _ := get(topic.ConfirmURL("http://x", ended)); code != 200 || o.subscription().Status != topic.Confirmed {
		t.Errorf("restored: %d, %s", code, o.subscription().Status)
	}
	o.do("DeleteTopic TopicArn=" + ops)
	if code, _ := get(topic.ConfirmURL("http://x", ended)); code != 404 {
		t.Errorf("without a topic: %d", code)
	}
	for _, other := range []string{"/", "/?Action=Publish", "/?Action=Unsubscribe&X-Amz-Signature=1", "/x.pem"} {
		if code, _ := get(other); code != 404 {
			t.Errorf("%s is not passed on: %d", other, code)
		}
	}
	if Followed(httptest.NewRequest("POST", "/?Action=Unsubscribe", nil)) != "" {
		t.Error("POST follows a link")
	}
}

// A link that changes nothing is answered from a snapshot: requests without a signature do not delay writers. A link
// that cannot be followed for a reason of the server's is logged.
func TestLinksThatChangeNothing(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	o.do("ConfirmSubscription TopicArn=" + ops + " Token=" + s.Token)
	pending := o.subscribeTo("http://127.0.0.1:9/other")
	links := o.links()
	var log bytes.Buffer
	links.Logger = slog.New(slog.NewTextHandler(&log, nil))
	if err := o.store.Close(); err != nil { // from here on there is no writer
		t.Fatal(err)
	}
	for _, c := range []struct {
		link string
		want int
	}{
		{topic.ConfirmURL("http://x", s), 200},
		{topic.ConfirmURL("http://x", s) + "0", 400},
		{topic.UnsubscribeURL("http://x", pending), 200}, // it is not confirmed: nothing ends
		{"/?Action=Unsubscribe&SubscriptionArn=none", 200},
		{"/?Action=ConfirmSubscription&TopicArn=none&Token=none", 404},
	} {
		w := httptest.NewRecorder()
		links.ServeHTTP(w, httptest.NewRequest("GET", c.link, nil))
		if w.Code != c.want {
			t.Errorf("%s: %d, want %d", c.link, w.Code, c.want)
		}
	}
	if log.Len() > 0 {
		t.Errorf("logged: %s", &log)
	}
	for _, link := range []string{topic.UnsubscribeURL("http://x", s), topic.ConfirmURL("http://x", pending)} {
		w := httptest.NewRecorder()
		links.ServeHTTP(w, httptest.NewRequest("GET", link, nil))
		id := regexp.MustCompile("<RequestId>(.+)</RequestId>").FindStringSubmatch(w.Body.String())
		if w.Code != 500 || id == nil || !strings.Contains(log.String(), id[1]) {
			t.Errorf("%d %s\nlogged: %s", w.Code, w.Body, &log)
		}
		log.Reset()
	}
}

// With AuthenticateOnUnsubscribe, only a signed call ends the subscription.
func TestOnlyTheOwnerEnds(t *testing.T) {
	o := open(t)
	s := o.subscribe("")
	o.do("ConfirmSubscription TopicArn=" + ops + " AuthenticateOnUnsubscribe=true Token=" + s.Token)
	links := o.links()
	w := httptest.NewRecorder()
	links.ServeHTTP(w, httptest.NewRequest("GET", topic.UnsubscribeURL("http://x", s), nil))
	if w.Code != 403 || !strings.Contains(w.Body.String(), "AuthorizationError") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
	o.want("<key>ConfirmationWasAuthenticated</key><value>true", "GetSubscriptionAttributes SubscriptionArn="+s.ARN)
	o.do("Unsubscribe SubscriptionArn=" + s.ARN)
	if o.store.View().Subscriptions.Len() != 0 {
		t.Error("the owner cannot end it")
	}
}

// The AWS CLI drives it.
func TestCLI(t *testing.T) {
	o := open(t)
	o.AWS(t, "sns create-topic --name ops --attributes DisplayName=Ops --tags Key=a,Value=b")
	out := o.JSON(t, "sns", "subscribe", "--topic-arn", ops, "--protocol", "http", "--notification-endpoint",
		"http://127.0.0.1:9/", "--attributes", `{"FilterPolicy":"{\"room\":[\"a\"]}"}`, "--return-subscription-arn")
	s := o.subscription()
	if want, _ := json.Marshal(map[string]string{"SubscriptionArn": s.ARN}); out != string(want) {
		t.Errorf("%s, want %s", out, want)
	}
	o.AWS(t, "sns confirm-subscription --topic-arn "+ops+" --token "+s.Token)
	o.AWS(t, "sns", "publish", "--topic-arn", ops, "--subject", "two words", "--message", "hello",
		"--message-attributes",
		`{"room":{"DataType":"String","StringValue":"a"}}`)
	o.AWS(t, "sns", "publish", "--topic-arn", ops, "--message", "not wanted")
	if got := strings.Join(o.published, ","); got != "hello 1 0,not wanted 0 0" {
		t.Errorf("published %s", got)
	}
	o.Refused(t, "(NotFound)", "sns get-topic-attributes --topic-arn "+ops+"x")
}
