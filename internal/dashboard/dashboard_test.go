package dashboard

import (
	"fmt"
	"strings"
	"testing"
)

func TestNames(t *testing.T) {
	for s, want := range map[string]bool{
		"chat": true, "A-b_9": true, strings.Repeat("x", 255): true,
		"": false, strings.Repeat("x", 256): false, "a b": false, "a/b": false, "é": false,
	} {
		if ValidName(s) != want {
			t.Errorf("%q: want %t", s, want)
		}
	}
	if got := ARN("123456789012", "chat"); got != "arn:aws:cloudwatch::123456789012:dashboard/chat" {
		t.Error(got)
	}
}

// widget returns a body with one widget.
func widget(w string) string { return `{"widgets":[` + w + `]}` }

func TestValidBodies(t *testing.T) {
	for _, body := range []string{
		`{"widgets":[]}`,
		`{"start":"-PT9H","end":"2026-12-31T00:00:00Z","periodOverride":"inherit","widgets":[]}`,
		widget(`{"type":"text","x":0,"y":7,"width":3,"height":3,"properties":{"markdown":"Hello world"}}`),
		widget(`{"type":"metric","width":12,"height":6,"properties":{"metrics":[["AWS/ECS","CPUUtilization",
			"ClusterName","chat"],[".","MemoryUtilization",".",".",{"stat":"p99"}],[{"expression":"m1"}]],
			"region":"us-east-1","period":300,"stat":"Average","title":"CPU","view":"timeSeries","stacked":false}}`),
		widget(`{"type":"metric","properties":{"region":"x","annotations":{"alarms":["arn"]}}}`),
		widget(`{"type":"log","properties":{"region":"x","query":"SOURCE 'a'"}}`),
		widget(`{"type":"alarm","properties":{"alarms":["arn"]}}`),
		widget(`{"type":"explorer","properties":{}}`),
		widget(`{"type":"custom","properties":{"endpoint":"arn"}}`),
		`{"widgets":[],"variables":[],"unknown":1}`,
	} {
		if all := Validate(body); all != nil {
			t.Errorf("%s: %v", body, all)
		}
	}
}

func TestInvalidBodies(t *testing.T) {
	for body, want := range map[string]string{
		``:                         "/ The field DashboardBody must be a valid JSON object",
		`null`:                     "/ The field DashboardBody must be a valid JSON object",
		`[]`:                       "/ The field DashboardBody must be a valid JSON object",
		`{}`:                       "/ Should have required property 'widgets'",
		`{"widgets":{}}`:           "/widgets Should be array",
		`{"widgets":[],"start":1}`: "/start Should be string",
		`{"widgets":[],"periodOverride":"x"}`: "/periodOverride Should be equal to one of the allowed values: " +
			"auto, inherit",
		widget(`7`):                 "/widgets/0 Should be object",
		widget(`{"properties":{}}`): "/widgets/0 Should have required property 'type'",
		widget(`{"type":"x","properties":{}}`): "/widgets/0/type Should be equal to one of the allowed values: " +
			"alarm, custom, " +
			"explorer, log, metric, text",
		widget(`{"type":"text"}`):                 "/widgets/0 Should have required property 'properties'",
		widget(`{"type":"text","properties":[]}`): "/widgets/0/properties Should be object",
		widget(`{"type":"text","properties":{}}`): "/widgets/0/properties Should have required " +
			"property 'markdown'",
		widget(`{"type":"alarm","properties":{"alarms":1}}`): "/widgets/0/properties/alarms Should be array",
		widget(`{"type":"log","properties":{"region":"x"}}`): "/widgets/0/properties Should have required " +
			"property 'query'",
		widget(`{"type":"custom","properties":{}}`): "/widgets/0/properties Should have required " +
			"property 'endpoint'",
		widget(`{"type":"explorer","x":1,"properties":{}}`): "/widgets/0 Should have both properties 'x' and 'y', " +
			"or none " +
			"of them",
		widget(`{"type":"explorer","x":24,"y":0,"properties":{}}`): "/widgets/0/x Should be <= 23",
		widget(`{"type":"explorer","width":0,"properties":{}}`):    "/widgets/0/width Should be >= 1",
		widget(`{"type":"explorer","height":1.5,"properties":{}}`): "/widgets/0/height Should be integer",
		widget(`{"type":"metric","properties":{"metrics":[["a","b"]]}}`): "/widgets/0/properties Should have " +
			"required " +
			"property 'region'",
		widget(`{"type":"metric","properties":{"region":"x"}}`): "/widgets/0/properties Should have required " +
			"property " +
			"'metrics'",
		widget(`{"type":"metric","properties":{"region":"x",` +
			`"metrics":{}}}`): "/widgets/0/properties/metrics Should be array",
		widget(`{"type":"metric","properties":{"region":"x",` +
			`"metrics":[1]}}`): "/widgets/0/properties/metrics/0 Should be array",
		widget(`{"type":"metric","properties":{"region":"x",` +
			`"metrics":[[]]}}`): "/widgets/0/properties/metrics/0 Should NOT have fewer than 1 " +
			"items",
		widget(`{"type":"metric","properties":{"region":"x","metrics":[["a","b"]],` +
			`"stacked":1}}`): "/widgets/0/properties/stacked Should be boolean",
		`{"widgets":[` + strings.Repeat("{},", MaxWidgets) + `{}]}`: "/widgets " +
			"Should NOT have more than 500 items",
	} {
		var got []string
		for _, m := range Validate(body) {
			got = append(got, m.Path+" "+m.Text)
		}
		if strings.Join(got, "; ") != want {
			t.Errorf("%.90s: %q, want %s", body, got, want)
		}
	}
}

// A body with very many faults has a bounded number of messages.
func TestMessagesAreBounded(t *testing.T) {
	body := `{"widgets":[` + strings.Repeat("1,", MaxWidgets-1) + `1]}`
	if n := len(Validate(body)); n != maxMessages {
		t.Error(n)
	}
}

// Whatever a body is, Validate ends, and with the same messages each time.
func FuzzValidate(f *testing.F) {
	f.Add(`{"widgets":[{"type":"metric","properties":{"metrics":[[]],"region":1}}]}`)
	f.Fuzz(func(t *testing.T, body string) {
		if one, two := fmt.Sprint(Validate(body)), fmt.Sprint(Validate(body)); one != two {
			t.Errorf("%s and %s", one, two)
		}
	})
}
