package e2e

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/status"
)

// credentials are those of --dev-credentials.
var credentials = sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}

// object is a JSON object, form the parameters of a Query call.
type (
	object = map[string]any
	list   = []any
	form   = map[string]string
)

// targets are the X-Amz-Target prefixes of the JSON services, versions those of the Query services.
var (
	targets  = map[string]string{"ecs": "AmazonEC2ContainerServiceV20141113.", "ecr": "AmazonEC2ContainerRegistry_V20150921.", "logs": "Logs_20140328."}
	versions = map[string]string{"elasticloadbalancing": "2015-12-01", "autoscaling": "2011-01-01", "ec2": "2016-11-15", "elasticache": "2015-02-02"}
)

// apiError is a fault that the API answered.
type apiError struct {
	Status        int
	Code, Message string
}

func (e *apiError) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// json calls an action of a JSON service as a signed client does; out may be nil. Faults are *apiError.
func (s *server) json(service, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, status, err := s.send(service, body, http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {targets[service] + action}})
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var f struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(answer, &f) // a fault without a body is told by its status
		return &apiError{status, f.Type[strings.LastIndexByte(f.Type, '#')+1:], f.Message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// query calls an action of a Query service.
func (s *server) query(service, action string, in form) (document, error) {
	values := url.Values{"Action": {action}, "Version": {versions[service]}}
	for k, v := range in {
		values.Set(k, v)
	}
	answer, status, err := s.send(service, []byte(values.Encode()), http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if err != nil {
		return nil, err
	}
	d := document(answer)
	if status != http.StatusOK {
		return nil, &apiError{status, d.first("Code"), d.first("Message")}
	}
	return d, nil
}

func (s *server) send(service string, body []byte, header http.Header) ([]byte, int, error) {
	req, err := http.NewRequest(http.MethodPost, s.url()+"/", bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header = header
	sigv4.Sign(req, credentials, s.region, service, sigv4.HashPayload(body), time.Now())
	resp, err := s.client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return answer, resp.StatusCode, err
}

// call is json that must not fail.
func (s *server) call(t *testing.T, service, action string, in, out any) {
	t.Helper()
	if err := s.json(service, action, in, out); err != nil {
		t.Fatalf("%s %s: %v", service, action, err)
	}
}

// ask is query that must not fail.
func (s *server) ask(t *testing.T, service, action string, in form) document {
	t.Helper()
	d, err := s.query(service, action, in)
	if err != nil {
		t.Fatalf("%s %s: %v", service, action, err)
	}
	return d
}

// document is an XML answer, read by the names of its elements wherever they are.
type document []byte

func (d document) all(name string) (texts []string) {
	decoder := xml.NewDecoder(bytes.NewReader(d))
	for {
		token, err := decoder.Token()
		if err != nil {
			return texts
		}
		if start, ok := token.(xml.StartElement); ok && start.Name.Local == name {
			var text string
			if decoder.DecodeElement(&text, &start) == nil {
				texts = append(texts, text)
			}
		}
	}
}

func (d document) first(name string) string {
	if all := d.all(name); len(all) > 0 {
		return all[0]
	}
	return ""
}

// status is what berth status reads.
func (s *server) status(t *testing.T) (r status.Report) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.url()+"/_berth/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	sigv4.Sign(req, credentials, s.region, "berth", sigv4.EmptyPayload, time.Now())
	resp, err := s.client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatalf("status: %s: %v", resp.Status, err)
	}
	return r
}
