package awswire

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/awswire/shape/lambda"
	"github.com/berthhq/berth/internal/awswire/shape/route53"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fault"
)

// restServices are services for tests. They answer with what the request contained.
func (y *toy) restServices() []Service {
	return []Service{
		{Name: route53.SigningName, Protocols: []Protocol{RESTXML}, Version: route53.APIVersion,
			Namespace: route53.XMLNamespace, ValidationCode: "InvalidInput",
			Operations: []Operation{Op("CreateHostedZone", y.createZone).Refuses("VPC"), Op("GetHostedZone", y.getZone),
				Op("ListHostedZones", y.listZones), Op("ChangeResourceRecordSets", y.changeRecords)}},
		{Name: lambda.SigningName, Protocols: []Protocol{RESTJSON}, Statuses: lambda.Statuses,
			Operations: []Operation{Op("CreateFunction", y.createFunction), Op("GetFunction", y.getFunction),
				Op("Invoke", y.invoke), Op("UntagResource", y.untagFunction)}},
	}
}

func (y *toy) createZone(
	_ context.Context, _ *Call, in *route53.CreateHostedZoneInput,
) (*route53.CreateHostedZoneOutput, error) {
	return &route53.CreateHostedZoneOutput{Location: new("https://route53.amazonaws.com/2013-04-01/hostedzone/Z1"),
		HostedZone: &route53.HostedZone{Id: new("/hostedzone/Z1"), Name: in.Name, CallerReference: in.CallerReference,
			Config: in.HostedZoneConfig},
		ChangeInfo:    &route53.ChangeInfo{Id: new("/change/C1"), Status: "PENDING", SubmittedAt: &y.now},
		DelegationSet: &route53.DelegationSet{NameServers: []string{"ns-1", "ns-2"}}}, nil
}

func (y *toy) getZone(
	_ context.Context, _ *Call, in *route53.GetHostedZoneInput,
) (*route53.GetHostedZoneOutput, error) {
	return nil, fault.New(route53.CodeNoSuchHostedZone, "No hosted zone found with ID: %s", *in.Id).WithStatus(404)
}

func (y *toy) listZones(
	_ context.Context, _ *Call, in *route53.ListHostedZonesInput,
) (*route53.ListHostedZonesOutput, error) {
	return &route53.ListHostedZonesOutput{IsTruncated: new(false), Marker: in.Marker, MaxItems: in.MaxItems}, nil
}

func (y *toy) changeRecords(
	_ context.Context, _ *Call, in *route53.ChangeResourceRecordSetsInput,
) (*route53.ChangeResourceRecordSetsOutput, error) {
	first := in.ChangeBatch.Changes[0]
	return &route53.ChangeResourceRecordSetsOutput{ChangeInfo: &route53.ChangeInfo{
		Id: in.HostedZoneId, Status: "INSYNC", SubmittedAt: &y.now,
		Comment: new(first.Action + " " + *first.ResourceRecordSet.Name + " " +
			*first.ResourceRecordSet.ResourceRecords[1].Value),
	}}, nil
}

func (y *toy) createFunction(
	_ context.Context, _ *Call, in *lambda.CreateFunctionInput,
) (*lambda.CreateFunctionOutput, error) {
	return &lambda.CreateFunctionOutput{
		FunctionName: in.FunctionName, Role: in.Role, CodeSize: new(int64(len(in.Code.ZipFile))),
		Environment: &lambda.EnvironmentResponse{Variables: in.Environment.Variables},
	}, nil
}

func (y *toy) getFunction(
	_ context.Context, _ *Call, in *lambda.GetFunctionInput,
) (*lambda.GetFunctionOutput, error) {
	return nil, fault.New(lambda.CodeResourceNotFoundException, "Function not found: %s", *in.FunctionName).
		WithDetail("Type", "User")
}

func (y *toy) invoke(_ context.Context, _ *Call, in *lambda.InvokeInput) (*lambda.InvokeOutput, error) {
	return &lambda.InvokeOutput{Payload: in.Payload, ExecutedVersion: in.Qualifier, FunctionError: &in.InvocationType,
		StatusCode: new(int32(202))}, nil
}

func (y *toy) untagFunction(
	_ context.Context, _ *Call, in *lambda.UntagResourceInput,
) (*lambda.UntagResourceOutput, error) {
	if *in.Resource != "arn:aws:lambda:x:1:function:f/1" || strings.Join(in.TagKeys, " ") != "a b c" {
		return nil, fault.New("InvalidParameterValueException", "%s %q", *in.Resource, in.TagKeys)
	}
	return nil, nil
}

func restRequest(service, method, path, body string, header ...string) *http.Request {
	r := httptest.NewRequest(method, "http://127.0.0.1:4566"+path, strings.NewReader(body))
	for i := 0; i < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: testKey.ID, SecretAccessKey: testKey.Secret}, testRegion,
		service, sigv4.HashPayload([]byte(body)), testNow)
	return r
}

const (
	zones     = "/2013-04-01/hostedzone"
	functions = "/2015-03-31/functions"
	zoneSpace = `xmlns="https://route53.amazonaws.com/doc/2013-04-01/"`
)

// Requests in the REST protocols have the expected answers, byte by byte. "ID" stands for the request's id.
func TestRESTPairs(t *testing.T) {
	desk := newTestDesk(t)
	for _, c := range []struct {
		name   string
		r      *http.Request
		status int
		header string // "Name: value" of one that must be there
		body   string
	}{
		{"xml: a body, a status and a header of the operation", restRequest("route53", "POST", zones,
			`<?xml version="1.0"?><CreateHostedZoneRequest `+zoneSpace+`><Name>a.test</Name>`+
				`<CallerReference>r &amp; 1</CallerReference><HostedZoneConfig><PrivateZone>true</PrivateZone>`+
				`</HostedZoneConfig></CreateHostedZoneRequest>`), 201,
			"Location: https://route53.amazonaws.com/2013-04-01/hostedzone/Z1",
			xmlHeader + `<CreateHostedZoneResponse ` + zoneSpace + `><ChangeInfo><Id>/change/C1</Id>` +
				`<Status>PENDING</Status><SubmittedAt>2026-11-23T00:55:38.250Z</SubmittedAt></ChangeInfo>` +
				`<DelegationSet><NameServers><NameServer>ns-1</NameServer>` +
				`<NameServer>ns-2</NameServer></NameServers></DelegationSet>` +
				`<HostedZone><CallerReference>r &amp; 1</CallerReference><Id>/hostedzone/Z1</Id>` +
				`<Name>a.test</Name><Config><PrivateZone>true</PrivateZone></Config></HostedZone>` +
				`</CreateHostedZoneResponse>`},
		{"xml: parameters of the query string; empty lists are written",
			restRequest("route53", "GET", zones+"?maxitems=7&marker=Z%2F1", ""), 200, "",
			xmlHeader + `<ListHostedZonesResponse ` + zoneSpace + `><HostedZones></HostedZones>` +
				`<IsTruncated>false</IsTruncated><Marker>Z/1</Marker><MaxItems>7</MaxItems></ListHostedZonesResponse>`},
		{"xml: a label and lists with names of their own", restRequest("route53", "POST", zones+"/Z%20%2F1/rrset/",
			`<C xmlns="x"><ChangeBatch><Changes><Change><Action>UPSERT</Action><ResourceRecordSet><Name>a.</Name>`+
				`<Type>A</Type><ResourceRecords> <ResourceRecord><Value>1</Value></ResourceRecord>`+"\n"+
				`<ResourceRecord><Value>2</Value></ResourceRecord></ResourceRecords></ResourceRecordSet></Change>`+
				`</Changes></ChangeBatch></C>`), 200, "",
			xmlHeader + `<ChangeResourceRecordSetsResponse ` + zoneSpace + `><ChangeInfo><Id>Z /1</Id>` +
				`<Status>INSYNC</Status><SubmittedAt>2026-11-23T00:55:38.250Z</SubmittedAt>` +
				`<Comment>UPSERT a. 2</Comment></ChangeInfo></ChangeResourceRecordSetsResponse>`},
		{"xml: a fault", restRequest("route53", "GET", zones+"/Z9", ""), 404, "",
			xmlHeader + `<ErrorResponse ` + zoneSpace + `><Error><Type>Sender</Type><Code>NoSuchHostedZone</Code>` +
				`<Message>No hosted zone found with ID: Z9</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		{"xml: what is missing and what is wrong", restRequest("route53", "POST", zones+"/Z1/rrset",
			`<C><ChangeBatch><Changes><Change><Action>GROW</Action></Change></Changes></ChangeBatch></C>`), 400, "",
			xmlHeader + `<ErrorResponse ` + zoneSpace + `><Error><Type>Sender</Type><Code>InvalidInput</Code>` +
				`<Message>2 validation errors detected: Value &#39;GROW&#39; at ` +
				`&#39;changeBatch.changes.1.member.action&#39; failed to satisfy constraint: Member must satisfy ` +
				`enum value set: [CREATE, DELETE, UPSERT]; Value null at ` +
				`&#39;changeBatch.changes.1.member.resourceRecordSet&#39; failed to satisfy constraint: Member must ` +
				`not be null</Message></Error><RequestId>ID</RequestId></ErrorResponse>`},
		{"json: a body and the status of the operation", restRequest("lambda", "POST", functions,
			`{"FunctionName":"f","Role":"r","Code":{"ZipFile":"aGk="},"Environment":{"Variables":{"A":"b"}}}`,
			"Content-Type", "application/json"), 201, "Content-Type: application/json",
			`{"Architectures":[],"CodeSize":2,"Environment":{"Variables":{"A":"b"}},"FileSystemConfigs":[],` +
				`"FunctionName":"f","Layers":[],"Role":"r"}`},
		{"json: a fault with its status", restRequest("lambda", "GET", functions+"/f", ""), 404,
			"X-Amzn-Errortype: ResourceNotFoundException", `{"Type":"User","message":"Function not found: f"}`},
		{"a payload, header fields and a status that the action says", restRequest("lambda", "POST",
			functions+"/f/invocations?Qualifier=7", "\x00any", "X-Amz-Invocation-Type", "Event"), 202,
			"X-Amz-Executed-Version: 7", "\x00any"},
		{"an escaped label, a list in the query string, no content", restRequest("lambda", "DELETE",
			"/2017-03-31/tags/arn%3Aaws%3Alambda%3Ax%3A1%3Afunction%3Af%2F1?tagKeys=a&tagKeys=b&tagKeys=c", ""),
			204, "", ""},
		{"an unknown parameter of the query string", restRequest("lambda", "POST",
			functions+"/f/invocations?Qualifier=1&Qualifer=2", ""), 400, "X-Amzn-Errortype: ValidationException",
			`{"message":"Unknown parameter in input: \"Qualifer\" is not a member of Invoke."}`},
		{"no such operation", restRequest("lambda", "PATCH", functions, "{}"), 404,
			"X-Amzn-Errortype: UnknownOperationException",
			`{"message":"PATCH /2015-03-31/functions is not an operation of the service lambda that Berth has."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			desk.ServeHTTP(w, c.r)
			body := requestIDs.ReplaceAllString(w.Body.String(), "ID")
			if w.Code != c.status || body != c.body {
				t.Errorf("status %d, want %d; body\n%s\nwant\n%s", w.Code, c.status, body, c.body)
			}
			if name, value, ok := strings.Cut(c.header, ": "); ok && w.Header().Get(name) != value {
				t.Errorf("%s is %q, want %q", name, w.Header().Get(name), value)
			}
		})
	}
}

// The AWS CLI can call services that use REST with XML and REST with JSON.
func TestRESTWithAWSCLI(t *testing.T) {
	cli := awsCLI(t)
	url, env := realDesk(t)
	for _, c := range []struct{ args, want, wantErr string }{
		{"route53 create-hosted-zone --name a.test --caller-reference r --query " +
			"[Location,HostedZone.Name,DelegationSet.NameServers[1],ChangeInfo.SubmittedAt] --output text",
			"https://route53.amazonaws.com/2013-04-01/hostedzone/Z1\ta.test\tns-2\t" +
				"2026-11-23T00:55:38.250000+00:00\n", ""},
		{"route53 list-hosted-zones --no-paginate --query HostedZones --output json", "[]\n", ""},
		{"route53 get-hosted-zone --id Z9", "", "(NoSuchHostedZone) when calling the GetHostedZone operation: " +
			"No hosted zone found with ID: Z9"},
		{"lambda get-function --function-name f", "", "(ResourceNotFoundException) when calling the GetFunction " +
			"operation: Function not found: f"},
		{"lambda invoke --function-name f --qualifier 7 --invocation-type Event " +
			"--cli-binary-format raw-in-base64-out --payload hello /dev/stderr " +
			"--query ExecutedVersion --output text", "7\n", "hello"},
	} {
		out, stderr, _ := runCLI(t, cli, url, env, c.args)
		if out != c.want || !strings.Contains(stderr, c.wantErr) {
			t.Errorf("%s: %q %s\nwant %q %s", c.args, out, stderr, c.want, c.wantErr)
		}
	}
}
