package desktest

import (
	"encoding/json"
	"encoding/xml"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Form makes the form of a Query call, given as "Action a=b c=d".
func Form(version, line string) url.Values {
	words := strings.Fields(line)
	form := url.Values{"Action": {words[0]}, "Version": {version}}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		form.Set(name, value)
	}
	return form
}

// Query sends a signed call to a Query service. It returns the XML inside the answer, or "Code: message" of a
// fault.
func (d *Desk) Query(t testing.TB, service string, form url.Values) string {
	t.Helper()
	out, ok := d.post(t, service, "", form.Encode(),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded; charset=utf-8"}})
	if ok {
		return string(out)
	}
	type fault struct{ Code, Message string }
	var f struct {
		Error  fault                 // of the Query protocol
		Errors struct{ Error fault } // of EC2's protocol
	}
	if err := xml.Unmarshal(out, &f); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	if f.Error.Code == "" {
		f.Error = f.Errors.Error
	}
	return f.Error.Code + ": " + f.Error.Message
}

// Post sends a signed call to a JSON service. It returns the JSON of the answer, or "Code: message" of a
// fault. target is "Prefix.Action". The input is JSON with ' instead of ", which is easier to read in Go.
func (d *Desk) Post(t testing.TB, service, target, input string) string {
	t.Helper()
	out, ok := d.post(t, service, "", strings.ReplaceAll(input, "'", `"`),
		http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target}})
	if ok {
		return string(out)
	}
	var f struct {
		Type    string `json:"__type"`
		Message string `json:"message"`
	}
	if err := json.Unmarshal(out, &f); err != nil {
		t.Fatalf("%s: %v", out, err)
	}
	return f.Type[strings.LastIndexByte(f.Type, '#')+1:] + ": " + f.Message
}

// CBOR sends a signed call to a service that uses RPC v2 CBOR. It returns the body of the answer, also of a
// fault. The body is CBOR, which contains texts unchanged, so a test can search for them. target is
// "Prefix.Action"; the input is CBOR.
func (d *Desk) CBOR(t testing.TB, service, target, input string) (answer string, ok bool) {
	t.Helper()
	prefix, action, _ := strings.Cut(target, ".")
	out, ok := d.post(t, service, "/service/"+prefix+"/operation/"+action, input,
		http.Header{"Content-Type": {"application/cbor"}, "Smithy-Protocol": {"rpc-v2-cbor"}})
	return string(out), ok
}

// post sends a signed request to a path. It returns the body of the answer, and whether the call succeeded.
func (d *Desk) post(t testing.TB, service, path, body string, header http.Header) (answer []byte, ok bool) {
	t.Helper()
	r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, d.URL+path, strings.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	r.Header = header
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, Region, service,
		sigv4.HashPayload([]byte(body)), time.Now())
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	answer, err = io.ReadAll(resp.Body)
	if err != nil {
		t.Fatal(err)
	}
	return answer, resp.StatusCode == http.StatusOK
}

// CLI runs the AWS CLI with a command line split at spaces and returns everything it prints.
func (d *Desk) CLI(t testing.TB, line string) (string, error) {
	t.Helper()
	out, err := d.Command(t, strings.Fields(line)...).CombinedOutput()
	return string(out), err
}
