package server

import (
	"bytes"
	"encoding/json"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
	"unicode"

	"github.com/berthhq/berth/internal/audit"
	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Each call that changes something, or tries to, is in the record when it is answered. Calls that only read are not.
func TestCallsAreRecorded(t *testing.T) {
	s := run(t, func(c *Config) { c.DevCredentials = true })
	createCluster(t, s, "web")
	query := func(secret, form string) int {
		code, _ := do(t, s, "POST", "/", form, func(r *http.Request) {
			r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
			c := sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: secret}
			sigv4.Sign(r, c, "eu-west-1", "ec2", sigv4.HashPayload([]byte(form)), time.Now())
		})
		return code
	}
	query("test", "Action=CreateKeyPair&Version=2016-11-15&KeyName=k")
	query("test", "Action=ImportKeyPair&Version=2016-11-15&KeyName=k&PublicKeyMaterial=c2VjcmV0")
	query("test", "Action=DescribeKeyPairs&Version=2016-11-15")
	query("wrong", "Action=CreateKeyPair&Version=2016-11-15&KeyName=forged")
	query("test", "Action=Make%C2%9B31m%E2%80%AEIt&Version=2016-11-15")
	query("test", "Action="+strings.Repeat("x", 1000)+"&Version=2016-11-15")
	do(t, s, "POST", "/_berth/reset", "", nil)

	data, err := os.ReadFile(filepath.Join(s.dir.Path, "audit", audit.Name))
	if err != nil {
		t.Fatal(err)
	}
	if bytes.Contains(data, []byte("c2VjcmV0")) {
		t.Errorf("an input is in the record: %s", data)
	}
	for _, r := range string(data) {
		if !unicode.IsGraphic(r) && r != '\n' {
			t.Errorf("the record has %q as it is", r)
		}
	}
	root := "arn:aws:iam::123456789012:root"
	want := []audit.Entry{
		{Principal: root, AccessKey: s.dir.AccessKey.ID, Service: "ecs", Action: "CreateCluster",
			Region: "us-east-1", Status: 200, Resources: map[string][]string{"clusterName": {"web"}}},
		{Principal: root, AccessKey: "test", Service: "ec2", Action: "CreateKeyPair", Region: "eu-west-1",
			Status: 200, Resources: map[string][]string{"KeyName": {"k"}}},
		{Principal: root, AccessKey: "test", Service: "ec2", Action: "ImportKeyPair", Region: "eu-west-1",
			Status: 400, Error: "InvalidKey.Format", Resources: map[string][]string{"KeyName": {"k"}}},
		{AccessKey: "test", Service: "ec2", Action: "CreateKeyPair", Region: "eu-west-1", Status: 403,
			Error: "SignatureDoesNotMatch"},
		{Principal: root, AccessKey: "test", Service: "ec2", Action: "Make\u009b31m\u202eIt",
			Region: "eu-west-1", Status: 400, Error: "InvalidAction"},
		{Principal: root, AccessKey: "test", Service: "ec2", Action: strings.Repeat("x", 256) + "…",
			Region: "eu-west-1", Status: 400, Error: "InvalidAction"},
		{Principal: "anonymous", Service: "berth", Action: "Reset", Status: 204,
			Resources: map[string][]string{"path": {"/_berth/reset"}}},
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	if len(lines) != len(want) {
		t.Fatalf("%d calls are recorded, want %d:\n%s", len(lines), len(want), data)
	}
	for i, line := range lines {
		var got audit.Entry
		if err := json.Unmarshal([]byte(line), &got); err != nil {
			t.Fatal(err)
		}
		if got.Source != "127.0.0.1" || time.Since(got.Time) > time.Minute ||
			(got.RequestID == "") != (got.Service == "berth") {
			t.Errorf("%s", line)
		}
		got.Source, got.Time, got.RequestID = "", time.Time{}, ""
		a, _ := json.Marshal(got)
		b, _ := json.Marshal(want[i])
		if !bytes.Equal(a, b) {
			t.Errorf("%s, want %s", a, b)
		}
	}
}

// Anybody can send requests with links of messages. They have no principal, so that only some are recorded in a minute.
func TestLinksAreRecordedWithoutAPrincipal(t *testing.T) {
	s := run(t, nil)
	do(t, s, "GET", "/?Action=Unsubscribe&SubscriptionArn=none", "", nil)
	do(t, s, "GET", "/?Action=ConfirmSubscription&TopicArn=none&Token=none", "", nil)
	data, err := os.ReadFile(filepath.Join(s.dir.Path, "audit", audit.Name))
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	want := []string{`"action":"Unsubscribe","status":200`, `"action":"ConfirmSubscription","status":404`}
	if len(lines) != len(want) {
		t.Fatalf("recorded:\n%s", data)
	}
	for i, line := range lines {
		if !strings.Contains(line, want[i]) || strings.Contains(line, "principal") {
			t.Errorf("recorded %s, want %s and no principal", line, want[i])
		}
	}
}
