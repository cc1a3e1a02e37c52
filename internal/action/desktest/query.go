package desktest

import (
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Form is the call of a Query action, written as "Action a=b c=d".
func Form(version, line string) url.Values {
	words := strings.Fields(line)
	form := url.Values{"Action": {words[0]}, "Version": {version}}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		form.Set(name, value)
	}
	return form
}

// Query sends a signed call to a Query service and returns what is in the answer: the XML, or "Code: message" of a fault.
func (d *Desk) Query(t testing.TB, service string, form url.Values) string {
	t.Helper()
	body := form.Encode()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, Region, service, sigv4.HashPayload([]byte(body)), time.Now())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	if resp.StatusCode == http.StatusOK {
		return string(out)
	}
	type fault struct{ Code, Message string }
	var f struct {
		Error  fault                 // of the Query protocol
		Errors struct{ Error fault } // of EC2's
	}
	if err := xml.Unmarshal(out, &f); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if f.Error.Code == "" {
		f.Error = f.Errors.Error
	}
	return f.Error.Code + ": " + f.Error.Message
}

// CLI runs the AWS CLI with a command line split at spaces and returns everything it prints.
func (d *Desk) CLI(t testing.TB, line string) (string, error) {
	t.Helper()
	out, err := d.Command(t, strings.Fields(line)...).CombinedOutput()
	return string(out), err
}
