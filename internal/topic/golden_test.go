package topic

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/golden"
)

// What endpoints get, of each type and in both versions, with what is signed.
func TestDocuments(t *testing.T) {
	p := &Publication{Subject: "two words", Message: "line 1\nline 2", PerProtocol: map[string]string{"http": "short"},
		Attributes: map[string]Attribute{"room": {Type: "String", String: "a"}}}
	var out strings.Builder
	for _, c := range []struct {
		kind     Kind
		version  string
		protocol string
		p        *Publication
	}{
		{Confirmation, "1", "http", nil}, {Notification, "1", "http", p}, {Notification, "2", "https", p},
		{Farewell, "2", "https", nil},
	} {
		doc := NewDocument(base, &Topic{ARN: ops, SignatureVersion: c.version},
			&Subscription{ARN: ops + ":1", TopicARN: ops, Protocol: c.protocol, Token: "2336412f37"},
			&Delivery{MessageID: "165545c9", Kind: c.kind, At: time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)}, c.p)
		doc.Signature, doc.SigningCertURL = "EXAMPLE", base+"/SimpleNotificationService-0a.pem"
		text, err := doc.JSON()
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&out, "%s\nsigned:\n%s\n", text, doc.StringToSign())
	}
	golden.Compare(t, "documents.txt", out.String())
}

// How long after the first attempt each further one is made, for policies of many kinds.
func TestAttempts(t *testing.T) {
	var out strings.Builder
	for _, backoff := range []string{linear, arithmetic, geometric, exponential} {
		for _, phases := range [][3]int{{0, 0, 0}, {2, 0, 0}, {0, 2, 0}, {0, 0, 2}, {1, 1, 1}, {3, 3, 3}} {
			r := Retries{MinDelay: 2, MaxDelay: 60, Number: 9, AtOnce: phases[0], AtMin: phases[1], AtMax: phases[2],
				Backoff: backoff}
			if wrong := r.check(); wrong != "" {
				t.Fatalf("%+v: %s", r, wrong)
			}
			var at time.Duration
			fmt.Fprintf(&out, "%s %v:", backoff, phases)
			for n := 1; ; n++ {
				d, more := r.Delay(n)
				if !more {
					break
				}
				at += d
				fmt.Fprintf(&out, " %.0f", at.Seconds())
			}
			out.WriteByte('\n')
		}
	}
	golden.Compare(t, "attempts.txt", out.String())
}

// Which messages each filter policy accepts: one line for a policy, one column for a message.
func TestAcceptedMessages(t *testing.T) {
	messages := []map[string]Attribute{
		{}, {"x": text("a")}, {"x": text("ab")}, {"x": text("B")}, {"x": number("5")}, {"x": number("-1.5")},
		{"x": list(`["a","z"]`)}, {"x": list(`[5,null]`)}, {"x": list(`[]`)}, {"y": text("a")},
		{"x": text("a"), "y": number("5")}, {"x": {Type: "String.label", String: "a"}},
		{"x": {Type: "Number.int", String: "5"}}, {"x": {Type: "Binary", Binary: []byte("a")}},
	}
	conditions := []string{
		`"a"`, `"b"`, `5`, `5.0`, `null`, `{"prefix":"a"}`, `{"suffix":"b"}`, `{"equals-ignore-case":"b"}`,
		`{"anything-but":"a"}`, `{"anything-but":["a",5]}`, `{"anything-but":{"prefix":"a"}}`,
		`{"anything-but":{"suffix":"b"}}`, `{"exists":true}`, `{"exists":false}`, `{"numeric":["=",5]}`,
		`{"numeric":["<",0]}`, `{"numeric":[">=",0,"<=",5]}`, `"a",5`, `"a",{"exists":false}`,
	}
	var policies []string
	for _, c := range conditions {
		policies = append(policies, `{"x":[`+c+`]}`)
	}
	policies = append(policies, `{}`, `{"x":["a"],"y":[5]}`, `{"x":["a"],"y":[{"exists":false}]}`)
	var out strings.Builder
	for _, text := range policies {
		policy, err := ParseFilterPolicy(text)
		if err != nil {
			t.Fatalf("%s: %v", text, err)
		}
		for _, m := range messages {
			mark := "."
			if policy.Accepts(m) {
				mark = "x"
			}
			out.WriteString(mark)
		}
		fmt.Fprintf(&out, " %s\n", text)
	}
	golden.Compare(t, "filters.txt", out.String())
}
