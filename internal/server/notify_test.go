package server

import (
	"crypto"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/topic"
)

// An endpoint subscribes to a topic by following the link that it gets, gets the message of an alarm, verifies it
// with the certificate that the message names, and ends the subscription by another link.
func TestAlarmReachesAnEndpoint(t *testing.T) {
	s := run(t, nil)
	type message struct {
		kind string
		doc  topic.Document
	}
	got := make(chan message, 10)
	endpoint := httptest.NewServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		m := message{kind: r.Header.Get("X-Amz-Sns-Message-Type")}
		body, err := io.ReadAll(r.Body)
		if err != nil || json.Unmarshal(body, &m.doc) != nil {
			t.Errorf("%s: %v", body, err)
		}
		got <- m
	}))
	defer endpoint.Close()
	next := func(kind string) topic.Document {
		t.Helper()
		select {
		case m := <-got:
			if m.kind != kind || string(m.doc.Type) != kind {
				t.Fatalf("%+v, want a %s", m, kind)
			}
			return m.doc
		case <-time.After(2 * time.Minute):
			t.Fatalf("no %s arrived in two minutes", kind)
		}
		panic("unreachable")
	}
	call := func(service, version string, form url.Values) {
		t.Helper()
		form.Set("Version", version)
		body := form.Encode()
		code, out := do(t, s, "POST", "/", body, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			c := sigv4.Credentials{AccessKeyID: s.dir.AccessKey.ID, SecretAccessKey: s.dir.AccessKey.Secret}
			sigv4.Sign(r, c, "us-east-1", service, sigv4.HashPayload([]byte(body)), time.Now())
		})
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", form.Get("Action"), code, out)
		}
	}
	follow := func(link string) string {
		t.Helper()
		u, err := url.Parse(link)
		if err != nil {
			t.Fatal(err)
		}
		code, out := do(t, s, "GET", u.RequestURI(), "", nil)
		if code != http.StatusOK {
			t.Fatalf("%s: %d %s", link, code, out)
		}
		return out
	}
	ops := topic.ARN("us-east-1", s.cfg.Account, "ops")
	call("sns", "2010-03-31", url.Values{"Action": {"CreateTopic"}, "Name": {"ops"}})
	call("sns", "2010-03-31", url.Values{"Action": {"Subscribe"}, "TopicArn": {ops}, "Protocol": {"http"},
		"Endpoint": {endpoint.URL}})
	if out := follow(next("SubscriptionConfirmation").SubscribeURL); !strings.Contains(out, ops+":") {
		t.Errorf("confirmed: %s", out)
	}
	call("monitoring", "2010-08-01", url.Values{"Action": {"PutMetricAlarm"}, "AlarmName": {"busy"},
		"Namespace":  {"Chat"},
		"MetricName": {"m"}, "Statistic": {"Sum"}, "Period": {"60"}, "EvaluationPeriods": {"1"}, "Threshold": {"1"},
		"ComparisonOperator": {"GreaterThanThreshold"}, "AlarmActions.member.1": {ops}})
	call("monitoring", "2010-08-01", url.Values{"Action": {"SetAlarmState"}, "AlarmName": {"busy"},
		"StateValue": {"ALARM"}, "StateReason": {"because"}})
	doc := next("Notification")
	if !strings.Contains(doc.Message, `"NewStateReason":"because"`) || doc.TopicARN != ops {
		t.Errorf("%+v", doc)
	}
	block, _ := pem.Decode([]byte(follow(doc.SigningCertURL)))
	if block == nil {
		t.Fatalf("%s is no certificate", doc.SigningCertURL)
	}
	cert, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	signature, err := base64.StdEncoding.DecodeString(doc.Signature)
	sum := sha1.Sum([]byte(doc.StringToSign()))
	if err != nil || rsa.VerifyPKCS1v15(cert.PublicKey.(*rsa.PublicKey), crypto.SHA1, sum[:], signature) != nil {
		t.Errorf("the signature %s is wrong, %v", doc.Signature, err)
	}
	follow(doc.UnsubscribeURL)
	next("UnsubscribeConfirmation")
}
