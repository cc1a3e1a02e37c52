package topic

import (
	"strings"
	"testing"
	"time"
)

const (
	ops  = "arn:aws:sns:us-east-1:123456789012:ops"
	base = "http://127.0.0.1:4566"

	escaped = "arn%3Aaws%3Asns%3Aus-east-1%3A123456789012%3Aops"
)

func TestNames(t *testing.T) {
	for name, want := range map[string]bool{
		"ops": true, "A-b_9": true, strings.Repeat("x", 256): true,
		"": false, strings.Repeat("x", 257): false, "a.fifo": false, "a b": false, "a:b": false, "é": false,
	} {
		if ValidName(name) != want {
			t.Errorf("%q: want %t", name, want)
		}
	}
	if got := ARN("us-east-1", "123456789012", "ops"); got != ops {
		t.Error(got)
	}
}

func TestTopicOfSubscription(t *testing.T) {
	for in, want := range map[string]string{
		ops + ":1-2": ops, ops: "", "": "", "arn:aws:sqs:us-east-1:1:a:b": "", "x": "",
	} {
		if got := TopicOf(in); got != want {
			t.Errorf("%q is of %q, want %q", in, got, want)
		}
	}
}

// The deliveries of a subscription are in the order in which they were published, and no other subscription has them.
func TestKeysOfDeliveries(t *testing.T) {
	first := &Delivery{SubscriptionARN: ops + ":1", MessageID: "z", At: time.Unix(100, 1)}
	second := &Delivery{SubscriptionARN: ops + ":1", MessageID: "a", At: time.Unix(100, 20)}
	other := &Delivery{SubscriptionARN: ops + ":10", MessageID: "a", At: time.Unix(100, 0)}
	if first.Key() >= second.Key() {
		t.Errorf("%q is not before %q", first.Key(), second.Key())
	}
	if !strings.HasPrefix(first.Key(), DuePrefix(ops+":1")) || strings.HasPrefix(other.Key(), DuePrefix(ops+":1")) {
		t.Error("the prefix is not that of one subscription")
	}
}

func TestExpiry(t *testing.T) {
	now := time.Unix(1000, 0)
	for _, c := range []struct {
		status Status
		after  time.Duration
		want   bool
	}{
		{Pending, -1, false}, {Pending, 0, true}, {Deleted, time.Hour, true}, {Confirmed, time.Hour, false},
	} {
		s := &Subscription{Status: c.status, Expires: now.Add(-c.after)}
		if s.Expired(now) != c.want {
			t.Errorf("%s, %v after its time: want %t", c.status, c.after, c.want)
		}
	}
}

func TestSizeOfMessage(t *testing.T) {
	p := &Publication{Message: "12345", Subject: "67", PerProtocol: map[string]string{"http": "8"},
		Attributes: map[string]Attribute{"ab": {Type: "String", String: "c"}, "d": {Type: "Binary", Binary: []byte{1}}}}
	if n := p.Size(); n != 5+2+4+1+2+6+1+1+6+1 {
		t.Errorf("%d bytes", n)
	}
	if p.Text("http") != "8" || p.Text("https") != "12345" {
		t.Errorf("texts %q and %q", p.Text("http"), p.Text("https"))
	}
}

func document(kind Kind, p *Publication, version string) *Document {
	return NewDocument(base, &Topic{ARN: ops, SignatureVersion: version},
		&Subscription{ARN: ops + ":1", TopicARN: ops, Protocol: "https", Token: "t&t"},
		&Delivery{MessageID: "m-1", Kind: kind, At: time.Date(2026, 11, 29, 8, 0, 0, 123456789, time.UTC)}, p)
}

// The message is the JSON that AWS documents for HTTP endpoints.
func TestNotification(t *testing.T) {
	doc := document(Notification, &Publication{Subject: "s", Message: "<m>", Attributes: map[string]Attribute{
		"n": {Type: "Number", String: "7"}, "b": {Type: "Binary", Binary: []byte("bin")}}}, "2")
	got, err := doc.JSON()
	if err != nil {
		t.Fatal(err)
	}
	want := `{
  "Type": "Notification",
  "MessageId": "m-1",
  "TopicArn": "arn:aws:sns:us-east-1:123456789012:ops",
  "Subject": "s",
  "Message": "<m>",
  "Timestamp": "2026-11-29T08:00:00.123Z",
  "SignatureVersion": "2",
  "Signature": "",
  "SigningCertURL": "",
  "UnsubscribeURL": "http://127.0.0.1:4566/?Action=Unsubscribe&SubscriptionArn=` + escaped + `%3A1",
  "MessageAttributes": {
    "b": {
      "Type": "Binary",
      "Value": "Ymlu"
    },
    "n": {
      "Type": "Number",
      "Value": "7"
    }
  }
}`
	if string(got) != want {
		t.Errorf("got %s", got)
	}
	signed := "Message\n<m>\nMessageId\nm-1\nSubject\ns\nTimestamp\n2026-11-29T08:00:00.123Z\nTopicArn\n" + ops +
		"\nType\nNotification\n"
	if doc.StringToSign() != signed {
		t.Errorf("signed is %q", doc.StringToSign())
	}
	doc.Subject = ""
	if strings.Contains(doc.StringToSign(), "Subject") {
		t.Error("a subject that is not there is signed")
	}
}

func TestConfirmations(t *testing.T) {
	for kind, words := range map[Kind]string{
		Confirmation: "You have chosen to subscribe to the " +
			"topic " + ops + ".\nTo confirm the subscription, visit the " +
			"SubscribeURL included in this message.",
		Farewell: "You have chosen to deactivate " +
			"subscription " + ops + ":1.\nTo cancel this operation and restore the " +
			"subscription, visit the SubscribeURL included in this message.",
	} {
		doc := document(kind, nil, "")
		url := base + "/?Action=ConfirmSubscription&TopicArn=" + escaped + "&Token=t%26t"
		if doc.Type != kind || doc.Message != words || doc.SubscribeURL != url || doc.Token != "t&t" ||
			doc.SignatureVersion != "1" || doc.UnsubscribeURL != "" {
			t.Errorf("%+v", doc)
		}
		signed := "Message\n" + words + "\nMessageId\nm-1\nSubscribeURL\n" + url + "\nTimestamp\n" +
			"2026-11-29T08:00:00.123Z\nToken\nt&t\nTopicArn\n" + ops + "\nType\n" + string(kind) + "\n"
		if doc.StringToSign() != signed {
			t.Errorf("signed is %q", doc.StringToSign())
		}
	}
}

func TestCertificatePath(t *testing.T) {
	if p := (&SigningKey{ID: "0a"}).CertificatePath(); p != "/SimpleNotificationService-0a.pem" {
		t.Error(p)
	}
}

// The error of a publication that is refused says how much waits, and how much may wait.
func TestFullError(t *testing.T) {
	for want, err := range map[string]*FullError{
		"7 deliveries wait, and at most 8 may wait":        {Waiting: 7, Most: 8, What: "deliveries"},
		"0 bytes of messages wait, and at most 1 may wait": {Waiting: 0, Most: 1, What: "bytes of messages"},
	} {
		if got := err.Error(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
