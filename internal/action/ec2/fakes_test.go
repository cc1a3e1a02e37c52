package ec2

import (
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

var key = identity.AccessKey{ID: "AKIDEXAMPLE0000000AB", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Principal: identity.Root(account)}

// desk is the front desk with a store behind it and no controller: tests play that.
type desk struct {
	t     *testing.T
	store *state.Store
	h     http.Handler
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	s, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h, err := awswire.NewHandler(awswire.Config{Verifier: &sigv4.Verifier{Keys: identity.NewKeyRing(key)}}, Service(s, fakeConsole{}))
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, s, h}
}

// call sends a signed Query request, written as "Action a=b c=d", and returns what is in the answer: the XML, or "Code: message" of a fault.
func (d *desk) call(line string) string {
	d.t.Helper()
	words := strings.Fields(line)
	form := url.Values{"Action": {words[0]}, "Version": {shape.APIVersion}}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		form.Set(name, value)
	}
	return d.post(form)
}

func (d *desk) post(form url.Values) string {
	d.t.Helper()
	body := form.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, region, "ec2", sigv4.HashPayload([]byte(body)), time.Now())
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	out, _ := io.ReadAll(w.Result().Body)
	if w.Code == http.StatusOK {
		return string(out)
	}
	var f struct {
		Errors struct {
			Error struct{ Code, Message string }
		}
	}
	if err := xml.Unmarshal(out, &f); err != nil {
		d.t.Fatalf("%s: %v", out, err)
	}
	return f.Errors.Error.Code + ": " + f.Errors.Error.Message
}

// ok is call for what has to succeed.
func (d *desk) ok(line string) string {
	d.t.Helper()
	out := d.call(line)
	if !strings.HasPrefix(out, "<") {
		d.t.Fatalf("%s: %s", line, out)
	}
	return out
}

// run makes one instance and returns its id.
func (d *desk) run(more string) string {
	d.t.Helper()
	return tag(d.ok("RunInstances ImageId=ami-0123456789abcdef0 InstanceType=t2.micro MinCount=1 MaxCount=1 "+more), "instanceId")
}

// is plays the controller: the instance gets into a state.
func (d *desk) is(id string, change func(*fleet.Instance)) {
	d.t.Helper()
	err := d.store.Update(d.t.Context(), func(tx *state.Tx) error {
		i, ok := tx.Instances.Get(fleet.InstanceARN(region, account, id))
		if !ok {
			d.t.Fatalf("no instance %s", id)
		}
		c := i.Clone()
		change(c)
		tx.Instances.Put(c)
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func running(i *fleet.Instance) { i.State, i.Machine.Phase = fleet.Running, fleet.PhaseUp }

// tag is the text of the first element of that name.
func tag(xml, name string) string {
	_, rest, _ := strings.Cut(xml, "<"+name+">")
	text, _, _ := strings.Cut(rest, "<")
	return text
}

// tags are the texts of all elements of that name.
func tags(xml, name string) (all []string) {
	for _, part := range strings.Split(xml, "<"+name+">")[1:] {
		text, _, _ := strings.Cut(part, "<")
		all = append(all, text)
	}
	return all
}

type fakeConsole struct{}

func (fakeConsole) ConsoleOutput(id string) ([]byte, time.Time, error) {
	return []byte("console of " + id), time.Unix(1700000000, 0), nil
}

// cli runs the AWS CLI against the desk and returns what it prints.
func (d *desk) cli(url, line string) (string, error) {
	cmd := exec.Command("/usr/bin/aws", strings.Fields(line)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+key.ID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "AWS_DEFAULT_REGION="+region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
	cmd.Args = append(cmd.Args, "--endpoint-url", url)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// needCLI skips a test where there is no AWS CLI, and fails it in CI.
func needCLI(t *testing.T) {
	t.Helper()
	if err := exec.Command("/usr/bin/aws", "--version").Run(); err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatal("the AWS CLI is missing (apt-get install awscli)")
		}
		t.Skip("the AWS CLI is missing (apt-get install awscli)")
	}
}
