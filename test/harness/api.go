package harness

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

// Object is a JSON object, List a JSON array, Form the parameters of a Query call.
type (
	Object = map[string]any
	List   = []any
	Form   = map[string]string
)

// targets are the X-Amz-Target prefixes of the JSON services, versions those of the Query services.
var (
	targets = map[string]string{"ecs": "AmazonEC2ContainerServiceV20141113.",
		"ecr": "AmazonEC2ContainerRegistry_V20150921.", "logs": "Logs_20140328.",
		"application-autoscaling": "AnyScaleFrontendService."}
	versions = map[string]string{"elasticloadbalancing": "2015-12-01", "autoscaling": "2011-01-01",
		"ec2": "2016-11-15", "elasticache": "2015-02-02", "iam": "2010-05-08", "monitoring": "2010-08-01"}
)

// Fault is an error that the API answered. Any other error of a call means that there was no answer.
type Fault struct {
	Status        int
	Code, Message string
}

func (e *Fault) Error() string { return fmt.Sprintf("%d %s: %s", e.Status, e.Code, e.Message) }

// JSON calls an action of a JSON service as a signed client does; out may be nil.
func (s *Server) JSON(service, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	answer, status, err := s.send(service, body, http.Header{
		"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {targets[service] + action},
	})
	if err != nil {
		return err
	}
	if status != http.StatusOK {
		var f struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		_ = json.Unmarshal(answer, &f) // a fault without a body has only its status
		return &Fault{status, f.Type[strings.LastIndexByte(f.Type, '#')+1:], f.Message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// Query calls an action of a Query service.
func (s *Server) Query(service, action string, in Form) (Document, error) {
	values := url.Values{"Action": {action}, "Version": {versions[service]}}
	for k, v := range in {
		values.Set(k, v)
	}
	answer, status, err := s.send(service, []byte(values.Encode()),
		http.Header{"Content-Type": {"application/x-www-form-urlencoded"}})
	if err != nil {
		return nil, err
	}
	d := Document(answer)
	if status != http.StatusOK {
		return nil, &Fault{status, d.First("Code"), d.First("Message")}
	}
	return d, nil
}

func (s *Server) send(service string, body []byte, header http.Header) ([]byte, int, error) {
	req, err := http.NewRequest(http.MethodPost, s.URL()+"/", bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	req.Header = header
	s.Sign(req, service, body)
	resp, err := s.Client.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return answer, resp.StatusCode, err
}

// Sign signs a request with the server's key.
func (s *Server) Sign(req *http.Request, service string, body []byte) {
	sigv4.Sign(req, sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}, s.Region, service,
		sigv4.HashPayload(body), time.Now())
}

// Call is JSON, and fails the test if the call fails.
func (s *Server) Call(t testing.TB, service, action string, in, out any) {
	t.Helper()
	if err := s.JSON(service, action, in, out); err != nil {
		t.Fatalf("%s %s: %v", service, action, err)
	}
}

// Ask is Query, and fails the test if the call fails.
func (s *Server) Ask(t testing.TB, service, action string, in Form) Document {
	t.Helper()
	d, err := s.Query(service, action, in)
	if err != nil {
		t.Fatalf("%s %s: %v", service, action, err)
	}
	return d
}

// Status returns the page that berth status reads.
func (s *Server) Status(t testing.TB) (r status.Report) {
	t.Helper()
	req, err := http.NewRequest(http.MethodGet, s.URL()+"/_berth/status", nil)
	if err != nil {
		t.Fatal(err)
	}
	s.Sign(req, "berth", nil)
	resp, err := s.Client.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer resp.Body.Close()
	if err := json.NewDecoder(resp.Body).Decode(&r); err != nil {
		t.Fatalf("status: %s: %v", resp.Status, err)
	}
	return r
}

// Document is an XML answer. Its elements are found by name, wherever they are.
type Document []byte

// All returns the texts of all elements with a name.
func (d Document) All(name string) (texts []string) {
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

// First returns the text of the first element with a name, or "".
func (d Document) First(name string) string {
	if all := d.All(name); len(all) > 0 {
		return all[0]
	}
	return ""
}
