package awswire

import (
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/fxamacker/cbor/v2"

	"github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// cborRequest returns a signed request in RPC v2 CBOR.
func cborRequest(path, body string) *http.Request {
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566"+path, strings.NewReader(body))
	r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
	r.Header.Set("Content-Type", "application/cbor")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: testKey.ID, SecretAccessKey: testKey.Secret}, testRegion,
		cloudwatch.SigningName, sigv4.HashPayload([]byte(body)), testNow)
	return r
}

const granite = "/service/" + cloudwatch.TargetPrefix + "/operation/"

// diagnose returns CBOR in the diagnostic notation of RFC 8949.
func diagnose(t *testing.T, body []byte) string {
	t.Helper()
	text, err := cbor.Diagnose(body)
	if err != nil {
		t.Fatalf("%s: %x", err, body)
	}
	return text
}

func unhex(text string) string {
	b, err := hex.DecodeString(strings.ReplaceAll(text, " ", ""))
	if err != nil {
		panic(err)
	}
	return string(b)
}

// Requests in RPC v2 CBOR have the expected answers.
func TestCBORPairs(t *testing.T) {
	desk := newTestDesk(t)
	for _, c := range []struct {
		name, path, body string
		status           int
		queryError, want string
	}{
		{"success without an output", granite + "PutMetricData",
			// {"Namespace": "n", "MetricData": [{"MetricName": "m", "Value": 1.5, "Timestamp": 1(1795395338.25)}]}
			unhex("a2 694e616d657370616365 616e 6a4d657472696344617461 81 a3 6a4d65747269634e616d65 616d" +
				"6556616c7565 f93e00 6954696d657374616d70 c1 fb41dac0e3c2900000"), 200, "", `{}`},
		{"absent members are left out, empty lists stay; there may be a prefix", "/x" + granite + "GetMetricStatistics",
			// {_ "Namespace": "n", "MetricName": "m", "StartTime": 1(0), "EndTime": 1(60), "Period": 60}
			unhex("bf 694e616d657370616365 616e 6a4d65747269634e616d65 616d 69537461727454696d65 c1 00" +
				"67456e6454696d65 c1 183c 66506572696f64 183c ff"), 200, "",
			`{"Label": "m", "Datapoints": [{"Sum": 1.5, "Timestamp": 1(1795395338.25), ` +
				`"ExtendedStatistics": {"p99": 1.5}}]}`},
		{"a fault, its status and its code in Query", granite + "SetAlarmState",
			unhex("a3 69416c61726d4e616d65 64676f6e65 6b5374617465526561736f6e 60 6a537461746556616c7565 624f4b"), 404,
			"ResourceNotFound;Sender", `{"__type": "ResourceNotFound", "message": "There is no alarm gone."}`},
		{"a fault that has another code in Query", granite + "SetAlarmState",
			unhex("a3 69416c61726d4e616d65 6161 6b5374617465526561736f6e 60 6a537461746556616c7565 624f4b"), 400,
			"InvalidFormat;Sender", `{"__type": "InvalidFormatFault", "message": "The reason is not JSON."}`},
		{"the desk's own faults: constraints", granite + "SetAlarmState", "", 400, "ValidationError;Sender",
			`{"__type": "ValidationException", "message": "3 validation errors detected: Value null at ` +
				`'alarmName' failed to satisfy constraint: Member must not be null; Value null at 'stateReason' ` +
				`failed to satisfy constraint: Member must not be null; Value null at 'stateValue' failed to ` +
				`satisfy constraint: Member must not be null"}`},
		{"an unknown member", granite + "SetAlarmState", unhex("a1 65416c61726d 6161"), 400, "ValidationError;Sender",
			`{"__type": "ValidationException", "message": "Unknown parameter in input: \"Alarm\" is not a member of ` +
				`SetAlarmState."}`},
		{"a value of the wrong type", granite + "SetAlarmState", unhex("a1 69416c61726d4e616d65 01"), 400, "",
			`{"__type": "SerializationException", "message": "NUMBER_VALUE can not be converted to a String: ` +
				`at 'AlarmName'"}`},
		{"no CBOR", granite + "SetAlarmState", "\xa1", 400, "",
			`{"__type": "SerializationException", "message": "The request could not be read: unexpected EOF."}`},
		{"an unknown operation", granite + "PutDashboard", unhex("a0"), 400, "",
			`{"__type": "UnknownOperationException", "message": "PutDashboard is not an operation of the service ` +
				`monitoring that Berth has."}`},
		{"no path of the protocol", "/", unhex("a0"), 400, "", `{"__type": "UnknownOperationException", ` +
			`"message": "The request does not name an action of the service monitoring."}`},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := httptest.NewRecorder()
			desk.ServeHTTP(w, cborRequest(c.path, c.body))
			if got := diagnose(t, w.Body.Bytes()); w.Code != c.status || got != c.want {
				t.Errorf("status %d, want %d; body\n%s\nwant\n%s", w.Code, c.status, got, c.want)
			}
			header := w.Header()
			if header.Get("Smithy-Protocol") != "rpc-v2-cbor" || header.Get("Content-Type") != "application/cbor" ||
				header.Get("X-Amzn-Query-Error") != c.queryError {
				t.Errorf("header %v, want the query error %q", header, c.queryError)
			}
		})
	}
}

// A service with several protocols answers the same request in the protocol that the client used.
func TestSeveralProtocols(t *testing.T) {
	desk := newTestDesk(t)
	for _, c := range []struct {
		r           *http.Request
		contentType string
		want        string
	}{
		{request("monitoring", "application/x-amz-json-1.0", cloudwatch.TargetPrefix+".SetAlarmState",
			`{"AlarmName":"a","StateReason":"r","StateValue":"OK"}`), "application/x-amz-json-1.0",
			`{"__type":"InvalidFormatFault","message":"The reason is not JSON."}`},
		{queryRequest("monitoring", "Action=SetAlarmState&Version=2010-08-01&AlarmName=a&StateReason=r&StateValue=OK"),
			"text/xml", `<Code>InvalidFormat</Code><Message>The reason is not JSON.</Message>`},
		{cborRequest(granite+"SetAlarmState", ""), "application/cbor", "ValidationException"},
		{queryRequest("monitoring", "Action=PutMetricData&Version=2010-08-01&Namespace=n"+
			"&EntityMetricData.member.1.MetricData.member.1.MetricName=m"), "text/xml",
			`<Message>Berth does not support &#34;EntityMetricData&#34; in PutMetricData. Leave it out.</Message>`},
	} {
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, c.r)
		if got := w.Header().Get("Content-Type"); got != c.contentType || !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s %s\nwant %s with %s", got, w.Body, c.contentType, c.want)
		}
	}
}

// Two clients put and get the same data, each in the protocol that it prefers: Debian's AWS CLI uses Query, and
// Amazon's newer ones use CBOR.
func TestCloudWatchClients(t *testing.T) {
	clients := map[string]string{"/usr/bin/aws": "", "aws": ""}
	for path := range clients {
		found, err := exec.LookPath(path)
		if err != nil || exec.Command(found, "--version").Run() != nil {
			delete(clients, path)
		}
	}
	if len(clients) == 0 {
		absent(t, "the AWS CLI (apt-get install awscli)")
	}
	url, env := realDesk(t)
	for cli := range clients {
		for _, c := range []struct{ args, want, wantErr string }{
			{"put-metric-data --namespace n --metric-data " +
				"MetricName=m,Value=1.5,Unit=Bytes,Timestamp=2026-11-23T00:55:38.250Z", "", ""},
			{"get-metric-statistics --namespace n --metric-name m --start-time 2026-11-23T00:00:00Z " +
				"--end-time 2026-11-23T01:00:00Z --period 60 --output text --query " +
				"Datapoints[0].[Timestamp,Sum,Unit,ExtendedStatistics.p99]", "1.5\tBytes\t1.5\n", ""},
			{"set-alarm-state --alarm-name gone --state-value OK --state-reason r", "", "(ResourceNotFound) when " +
				"calling the SetAlarmState operation: There is no alarm gone."},
			{"set-alarm-state --alarm-name a --state-value OK --state-reason r", "", "(InvalidFormat"},
		} {
			cmd := exec.CommandContext(t.Context(), cli,
				append(append([]string{"cloudwatch"}, strings.Fields(c.args)...), "--endpoint-url", url)...)
			cmd.Env = env
			out, err := cmd.CombinedOutput()
			if got := string(out); (err != nil) != (c.wantErr != "") || !strings.HasSuffix(got, c.want) ||
				!strings.Contains(got, c.wantErr) {
				t.Errorf("%s %s: %v %s\nwant %s%s", cli, c.args, err, got, c.want, c.wantErr)
			}
		}
	}
}

// The JavaScript SDK uses CBOR for CloudWatch, and accepts no answer in another protocol.
func TestCloudWatchJavaScriptSDK(t *testing.T) {
	compareScript(t, "cloudwatch.mjs", filepath.Join("testdata", "js", "cloudwatch.golden"))
}
