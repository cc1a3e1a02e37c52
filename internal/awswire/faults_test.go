package awswire

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"encoding/xml"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"

	"github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/identity"
)

// told returns the code and the message of a fault in any protocol.
func told(t *testing.T, w *httptest.ResponseRecorder) (code, message string) {
	t.Helper()
	var f struct {
		Code    string `json:"__type"`
		Message string
	}
	switch contentType := w.Header().Get("Content-Type"); {
	case contentType == "application/cbor":
		if err := cbor.Unmarshal(w.Body.Bytes(), &f); err != nil {
			t.Fatalf("%v: %x", err, w.Body)
		}
		return f.Code, f.Message
	case strings.Contains(contentType, "json"):
		if err := json.Unmarshal(w.Body.Bytes(), &f); err != nil {
			t.Fatalf("%v: %s", err, w.Body)
		}
		return f.Code, f.Message
	}
	var x struct {
		Error  struct{ Code, Message string }
		Errors struct {
			Error struct{ Code, Message string }
		}
	}
	if err := xml.Unmarshal(w.Body.Bytes(), &x); err != nil {
		t.Fatalf("%v: %s", err, w.Body)
	}
	return x.Error.Code + x.Errors.Error.Code, x.Error.Message + x.Errors.Error.Message
}

func elbRequest(form string) *http.Request {
	return queryRequest("elasticloadbalancing", form+elbVersion)
}
func ec2Request(form string) *http.Request { return queryRequest("ec2", form+ec2Version) }

// others are the services of the tests' desk after ecs.
const others = "elasticloadbalancing, lambda, monitoring, route53, sts."

// Invalid input is answered with AWS's code and a text that names the mistake (issue 2, section 9).
func TestBadInput(t *testing.T) {
	desk := newTestDesk(t)
	for _, c := range []struct {
		name, code, message string
		status              int
		r                   *http.Request
	}{
		{"broken json", "SerializationException",
			"The request could not be read: unexpected end of JSON input at byte 15.", 400,
			ecsRequest("CreateCluster", `{"clusterName":`)},
		{"more than one document", "SerializationException",
			"The request could not be read: unexpected text after the JSON document at byte 4.", 400,
			ecsRequest("CreateCluster", `{} {}`)},
		{"no object", "SerializationException", "Start of list found where not expected: Structure at 'input'",
			400, ecsRequest("CreateCluster", `[]`)},
		{"number for a string", "SerializationException",
			"NUMBER_VALUE can not be converted to a String: at 'clusterName'", 400,
			ecsRequest("CreateCluster", `{"clusterName":1}`)},
		{"string for a number", "SerializationException",
			"STRING_VALUE can not be converted to an Integer: at 'maxResults'", 400,
			ecsRequest("ListClusters", `{"maxResults":"2"}`)},
		{"a fraction for an integer", "SerializationException",
			"NUMBER_VALUE can not be converted to an Integer: at 'maxResults'", 400,
			ecsRequest("ListClusters", `{"maxResults":2.5}`)},
		{"an integer out of range", "SerializationException",
			"NUMBER_VALUE can not be converted to an Integer: at 'maxResults'", 400,
			ecsRequest("ListClusters", `{"maxResults":2147483648}`)},
		{"object for a list", "SerializationException",
			"Start of structure or map found where not expected: List at 'tags'", 400,
			ecsRequest("CreateCluster", `{"tags":{}}`)},
		{"deep inside", "SerializationException", "TRUE_VALUE can not be converted to a String: at " +
			"'containerDefinitions[1].portMappings[0].name'", 400,
			ecsRequest("RegisterTaskDefinition",
				`{"family":"f","containerDefinitions":[{},{"portMappings":[{"name":true}]}]}`)},
		{"null in a list", "SerializationException",
			"NULL_VALUE can not be converted to a value: at 'capacityProviders[0]'", 400,
			ecsRequest("CreateCluster", `{"capacityProviders":[null]}`)},
		{"unknown member", "InvalidParameterException", `Unknown parameter in ` +
			`input: "clustername" is not a member of CreateCluster. Did you mean "clusterName"?`, 400,
			ecsRequest("CreateCluster", `{"clustername":"x"}`)},
		{"unknown member, misspelt", "InvalidParameterException",
			`Unknown parameter in input: "containerDefinitions[0].enviroment" is not a member of ` +
				`RegisterTaskDefinition. Did you mean "environment"?`, 400,
			ecsRequest("RegisterTaskDefinition", `{"family":"f","containerDefinitions":[{"enviroment":[]}]}`)},
		{"unknown member, near nothing", "InvalidParameterException",
			`Unknown parameter in input: "xyzzyPlugh" is not a member of CreateCluster.`, 400,
			ecsRequest("CreateCluster", `{"xyzzyPlugh":1}`)},
		{"missing members", "InvalidParameterException", "2 validation errors detected: Value null at " +
			"'containerDefinitions' failed to satisfy constraint: Member must not be null; Value null at " +
			"'family' failed to satisfy constraint: Member must not be null", 400,
			ecsRequest("RegisterTaskDefinition", `{}`)},
		{"outside the enum", "InvalidParameterException",
			"1 validation error detected: Value 'bus' at 'networkMode' failed to satisfy constraint: " +
				"Member must satisfy enum value set: [bridge, host, awsvpc, none]", 400,
			ecsRequest("RegisterTaskDefinition", `{"family":"f","containerDefinitions":[],"networkMode":"bus"}`)},
		{"required, and outside the enum", "InvalidParameterException", "1 validation error detected: " +
			"Value 'DONE' at 'containerDefinitions.1.member.dependsOn.1.member.condition' failed to satisfy " +
			"constraint: Member must satisfy enum value set: [START, COMPLETE, SUCCESS, HEALTHY]", 400,
			ecsRequest("RegisterTaskDefinition", `{"family":"f",`+
				`"containerDefinitions":[{"dependsOn":[{"containerName":"c","condition":"DONE"}]}]}`)},
		{"not implemented", "InvalidParameterException",
			`Berth does not support "configuration.executeCommandConfiguration.logConfiguration" in ` +
				`CreateCluster. Leave it out.`, 400,
			ecsRequest("CreateCluster",
				`{"configuration":{"executeCommandConfiguration":{"logConfiguration":{"s3BucketName":"b"}}}}`)},
		{"not implemented, in a list", "InvalidParameterException", `Berth does not support ` +
			`"containerDefinitions[1].firelensConfiguration" in RegisterTaskDefinition. Leave it out.`, 400,
			ecsRequest("RegisterTaskDefinition",
				`{"family":"f","containerDefinitions":[{},{"firelensConfiguration":{"type":"fluentd"}}]}`)},
		{"unknown operation", "UnknownOperationException",
			"FlyCluster is not an operation of the service ecs that Berth has.", 400,
			ecsRequest("FlyCluster", `{}`)},
		{"no operation", "UnknownOperationException",
			"The request does not name an action of the service ecs.", 400, ecsRequest("", `{}`)},
		{"unknown target", "UnknownOperationException",
			"Other.CreateCluster is not an operation of the service ecs that Berth has.", 400,
			request("ecs", "application/x-amz-json-1.1", "Other.CreateCluster", `{}`)},
		{"unknown service", "UnknownOperationException", `Berth has no service "kinesis" (asked for action ` +
			`"Kinesis_20131202.ListStreams"). It has: ec2, ecs, ` + others, 400,
			request("kinesis", "application/x-amz-json-1.1", "Kinesis_20131202.ListStreams", `{}`)},
		{"another service's scope", "InvalidSignatureException",
			"Credential should be scoped to correct service: 'ecs'.", 400,
			request("ec2", "application/x-amz-json-1.1", ecs.TargetPrefix+".ListClusters", `{}`)},
		{"body too large", "RequestEntityTooLargeException",
			"The request is larger than the 2097152 bytes that this API takes.", 413,
			ecsRequest("CreateCluster", strings.Repeat(" ", DefaultMaxBody+1))},

		{"query: unknown action", "InvalidAction",
			"Could not find operation Fly for version 2015-12-01: Berth does not have it.", 400,
			elbRequest("Action=Fly")},
		{"query: no action", "MissingAction",
			"The request does not name an action of the service elasticloadbalancing.", 400, elbRequest("A=")},
		{"query: another version", "InvalidAction", "Could not find operation CreateLoadBalancer for " +
			"version 2012-06-01: this is version 2015-12-01 of the service elasticloadbalancing.", 400,
			queryRequest("elasticloadbalancing", "Action=CreateLoadBalancer&Version=2012-06-01")},
		{"query: unknown service", "InvalidAction", `Berth has no service ` +
			`"sqs" (asked for action "ListQueues"). It has: ec2, ecs, ` + others, 400,
			queryRequest("sqs", "Action=ListQueues&Version=2012-11-05")},
		{"unknown service without a word of the action",
			"InvalidAction", `Berth has no service "s3". It has: ec2, ecs, ` + others, 400,
			queryRequest("s3", "")},
		{"query: missing member", "ValidationError", "1 validation " +
			"error detected: Value null at 'name' failed to satisfy constraint: Member must not be null", 400,
			elbRequest("Action=CreateTargetGroup")},
		{"query: missing deep inside", "ValidationError", "1 validation error detected: Value null at " +
			"'actions.2.member.type' failed to satisfy constraint: Member must not be null", 400,
			elbRequest("Action=CreateRule&ListenerArn=l&Priority=1&Conditions=" +
				"&Actions.member.1.Type=forward&Actions.member.2.TargetGroupArn=t")},
		{"query: enum (alb.md 8.7)", "ValidationError",
			"1 validation error detected: Value 'ftp' at 'protocol' failed to satisfy constraint: Member " +
				"must satisfy enum value set: [HTTP, HTTPS, TCP, TLS, UDP, TCP_UDP, GENEVE, QUIC, TCP_QUIC]", 400,
			elbRequest("Action=CreateTargetGroup&Name=n&Protocol=ftp")},
		{"query: wrong type", "MalformedInput",
			"Value (eighty) for parameter Port is invalid. It must be of type Integer.", 400,
			elbRequest("Action=CreateTargetGroup&Name=n&Port=eighty")},
		{"query: unknown member", "ValidationError",
			`Unknown parameter in input: "Targets" is not a member of CreateTargetGroup. Did you mean "Tags"?`,
			400, elbRequest("Action=CreateTargetGroup&Name=n&Targets=x")},
		{"query: case counts", "ValidationError",
			`Unknown parameter in input: "name" is not a member of CreateTargetGroup. Did you mean "Name"?`,
			400, elbRequest("Action=CreateTargetGroup&name=n")},
		{"query: a list that is none", "ValidationError",
			`Unknown parameter in input: "Tags.1" is not a member of CreateTargetGroup. Did you mean "member"?`,
			400, elbRequest("Action=CreateTargetGroup&Name=n&Tags.1.Key=x")},
		{"query: twice", "MalformedQueryString",
			"The request could not be read: the parameter 'Name' is given more than once.", 400,
			elbRequest("Action=CreateTargetGroup&Name=n&Name=m")},
		{"query: not implemented", "ValidationError",
			`Berth does not support "Transforms" in CreateRule. Leave it out.`, 400,
			elbRequest("Action=CreateRule&ListenerArn=l&Priority=1&Conditions=&Actions=" +
				"&Transforms.member.1.Type=url-rewrite")},
		{"query: garbled form", "MalformedQueryString",
			`The request could not be read: the form in the body is malformed: invalid URL escape "%zz".`,
			400, elbRequest("Action=CreateTargetGroup&Name=%zz")},

		{"ec2: unknown action", "InvalidAction",
			"The action Fly is not valid for this web service: Berth does not have it.", 400,
			ec2Request("Action=Fly")},
		{"ec2: missing", "MissingParameter", "The request must contain the parameter MaxCount", 400,
			ec2Request("Action=RunInstances&MinCount=1")},
		{"ec2: enum", "InvalidParameterValue", "Invalid value 't0.none' for InstanceType.", 400,
			ec2Request("Action=RunInstances&MinCount=1&MaxCount=1&InstanceType=t0.none")},
		{"ec2: unknown", "UnknownParameter", `The parameter ImageID is not recognized. Did you mean "ImageId"?`,
			400, ec2Request("Action=RunInstances&MinCount=1&MaxCount=1&ImageID=x")},
		{"ec2: wrong type", "InvalidParameterValue",
			"Value (one) for parameter MinCount is invalid. It must be of type Integer.", 400,
			ec2Request("Action=RunInstances&MinCount=one&MaxCount=1")},
		{"ec2: not implemented", "InvalidParameterValue",
			`Berth does not support "ElasticGpuSpecification" in RunInstances. Leave it out.`, 400,
			ec2Request("Action=RunInstances&MinCount=1&MaxCount=1&ElasticGpuSpecification.1.Type=x")},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			desk.ServeHTTP(w, c.r)
			code, message := told(t, w)
			if w.Code != c.status || code != c.code || message != c.message {
				t.Errorf("%d %s: %s\nwant %d %s: %s", w.Code, code, message, c.status, c.code, c.message)
			}
		})
	}
}

// If a change could not be stored, the fault has the code after which clients of the protocol try again (issue 2,
// section 9).
func TestFailuresHaveTheProtocolsCode(t *testing.T) {
	desk := newTestDesk(t)
	for want, r := range map[string]*http.Request{
		"ServerException": ecsRequest("CreateCluster", `{"clusterName":"full"}`),
		"InternalFailure": elbRequest("Action=CreateTargetGroup&Name=full"),
		"InternalError":   ec2Request("Action=RunInstances&MinCount=1&MaxCount=1&ImageId=full"),
	} {
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, r)
		if code, message := told(t, w); w.Code != 500 || code != want || message != "The disk is full." {
			t.Errorf("%d %s: %s, want 500 %s", w.Code, code, message, want)
		}
	}
}

// A member that is not implemented is accepted if its value is the default.
func TestEmptyRefusedMembersPass(t *testing.T) {
	desk := newTestDesk(t)
	for _, r := range []*http.Request{
		ecsRequest("CreateCluster", `{"configuration":{"executeCommandConfiguration":{}}}`),
		ecsRequest("RegisterTaskDefinition", `{"family":"f","containerDefinitions":[{}]}`),
		elbRequest("Action=CreateRule&ListenerArn=l&Priority=1&Conditions=&Actions=&Transforms="),
	} {
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, r)
		if w.Code != 200 {
			t.Errorf("%d %s", w.Code, w.Body)
		}
	}
}

func TestSignatureFaults(t *testing.T) {
	desk := newTestDesk(t)
	unsigned := func(r *http.Request) { r.Header.Del("Authorization") }
	stranger := func(r *http.Request) {
		r.Header.Set("Authorization", strings.Replace(r.Header.Get("Authorization"), testKey.ID, "AKIDNOBODY", 1))
	}
	forged := func(r *http.Request) {
		r.Header.Set("X-Amz-Date", testNow.Format("20060102T150405Z")[:15]+"Z")
		r.Host = "other"
	}
	late := func(r *http.Request) {
		sigv4.Sign(r, sigv4.Credentials{AccessKeyID: testKey.ID, SecretAccessKey: testKey.Secret}, testRegion,
			mustScope(r), bodyHash(r), testNow.Add(-time.Hour))
	}
	for _, c := range []struct {
		name                string
		spoil               func(*http.Request)
		json, query, ec2    string
		status, xml, ec2xml int
	}{
		{"unsigned", unsigned, "MissingAuthenticationTokenException", "MissingAuthenticationToken",
			"MissingAuthenticationToken", 400, 403, 403},
		{"stranger", stranger, "UnrecognizedClientException", "InvalidClientTokenId", "AuthFailure", 400, 403, 401},
		{"forged", forged, "InvalidSignatureException", "SignatureDoesNotMatch",
			"SignatureDoesNotMatch", 400, 403, 403},
		{"late", late, "InvalidSignatureException", "SignatureDoesNotMatch", "RequestExpired", 400, 403, 403},
	} {
		for i, r := range []*http.Request{ecsRequest("ListClusters", "{}"),
			elbRequest("Action=CreateTargetGroup&Name=n"), ec2Request("Action=CreateTags")} {
			c.spoil(r)
			w := httptest.NewRecorder()
			desk.ServeHTTP(w, r)
			code, _ := told(t, w)
			if want := []string{c.json, c.query, c.ec2}[i]; code != want ||
				w.Code != []int{c.status, c.xml, c.ec2xml}[i] {
				t.Errorf("%s: %d %s, want %s", c.name, w.Code, code, want)
			}
		}
	}
}

func mustScope(r *http.Request) string {
	s, _ := sigv4.ReadScope(r)
	return s.Service
}

func bodyHash(r *http.Request) string {
	var b bytes.Buffer
	b.ReadFrom(r.Body)
	r.Body = http.NoBody
	if b.Len() > 0 {
		r.Body = readCloser{bytes.NewReader(b.Bytes())}
	}
	return sigv4.HashPayload(b.Bytes())
}

type readCloser struct{ *bytes.Reader }

func (readCloser) Close() error { return nil }

// Query requests may use the method GET, and may be presigned.
func TestPresignedQuery(t *testing.T) {
	desk := newTestDesk(t)
	r := httptest.NewRequest("GET", "http://127.0.0.1:4566/?Action=GetCallerIdentity&Version=2011-06-15", nil)
	sigv4.Presign(r, sigv4.Credentials{AccessKeyID: testKey.ID, SecretAccessKey: testKey.Secret}, "us-east-1",
		"sts", testNow, time.Minute)
	w := httptest.NewRecorder()
	desk.ServeHTTP(w, r)
	if w.Code != 200 || !strings.Contains(w.Body.String(), "<Arn>arn:aws:iam::123456789012:root</Arn>") {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}

// SDKs compress large bodies; the signature covers the compressed body.
func TestCompressedBody(t *testing.T) {
	pack := func(s string) string {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		z.Write([]byte(s))
		z.Close()
		return b.String()
	}
	desk := newTestDesk(t)
	for _, c := range []struct{ encoding, body, code string }{
		{"gzip", pack(`{"clusterName":"web"}`), ""},
		{"gzip", "no gzip", "SerializationException"},
		// a few kilobytes on the wire
		{"gzip", pack(strings.Repeat(" ", DefaultMaxBody+1)), "RequestEntityTooLargeException"},
		{"br", "x", "SerializationException"},
	} {
		r := ecsRequest("CreateCluster", c.body)
		r.Header.Set("Content-Encoding", c.encoding)
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, r)
		if code, _ := told(t, w); code != c.code {
			t.Errorf("%s of %d bytes: %s, want %s", c.encoding, len(c.body), w.Body, c.code)
		}
	}
}

// NewHandler returns an error for a service whose description is wrong.
func TestNewHandlerRefuses(t *testing.T) {
	verifier := &sigv4.Verifier{Keys: identity.NewKeyRing(testKey)}
	op := Op("ListClusters", (&toy{}).listClusters)
	json11 := []Protocol{JSON11}
	type notAShape struct{ C chan int }
	for name, services := range map[string][]Service{
		"twice the same operation": {
			{Name: "ecs", Protocols: json11, TargetPrefix: "T", Operations: []Operation{op, op}},
		},
		"a refusal of nothing": {{
			Name: "ecs", Protocols: json11, TargetPrefix: "T", Operations: []Operation{op.Refuses("nextTokn")},
		}},
		"a refusal beyond the end": {{Name: "ecs", Protocols: json11, TargetPrefix: "T",
			Operations: []Operation{op.Refuses("nextToken.x")}}},
		"no protocol": {{Name: "ecs", TargetPrefix: "T"}},
		"twice the same service": {{Name: "ecs", Protocols: json11, TargetPrefix: "T"},
			{Name: "ecs", Protocols: json11, TargetPrefix: "T"}},
		"no shape": {{Name: "ecs", Protocols: json11, TargetPrefix: "T", Operations: []Operation{
			Op("X", func(context.Context, *Call, *notAShape) (*notAShape, error) { return nil, nil })}}},
	} {
		if _, err := NewHandler(Config{Verifier: verifier}, services...); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	if _, err := NewHandler(Config{}); err == nil {
		t.Error("no verifier: no error")
	}
}

func TestOutcomesAreObserved(t *testing.T) {
	var got []Outcome
	h, err := NewHandler(Config{
		Verifier: &sigv4.Verifier{Keys: identity.NewKeyRing(testKey)},
		Now:      func() time.Time { return testNow },
		Observe:  func(o Outcome) { got = append(got, o) },
	}, (&toy{}).services()...)
	if err != nil {
		t.Fatal(err)
	}
	unknown := httptest.NewRequest("POST", "/", nil)
	unknown.Header.Set("Authorization",
		"AWS4-HMAC-SHA256 Credential=x/20260101/r/made-up/aws4_request, SignedHeaders=host, Signature=x")
	unknown.Header.Set("X-Amz-Date", "20260101T000000Z")
	unknown.Header.Set("X-Amz-Target", "Made.Up")
	for _, r := range []*http.Request{ecsRequest("ListClusters", "{}"),
		ecsRequest("CreateCluster", `{"clusterName":"panic"}`), ecsRequest("MadeUp", "{}"), unknown} {
		h.ServeHTTP(httptest.NewRecorder(), r)
	}
	// Outcomes are counted by action, so the name of an unknown action must not be reported.
	for _, o := range got[2:] {
		if o.Call.Action != "" || o.Call.Service != "" && o.Call.Service != "ecs" {
			t.Errorf("an unknown action is observed as %q of %q", o.Call.Action, o.Call.Service)
		}
	}
	if len(got) != 4 || got[0].Call.Action != "ListClusters" || got[0].Code != "" || got[0].Status != 200 ||
		got[0].Call.Account != testAccount ||
		got[1].Code != "ServerException" || got[1].Status != 500 {
		t.Errorf("%+v", got)
	}
}
