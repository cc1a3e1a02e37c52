package logs

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
)

// table has calls in order: the action, its input, and what its answer begins with. JSON is written with '
// for ", also in inputs.
type table [][3]string

func (all table) play(t *testing.T, d *desktest.Desk) {
	t.Helper()
	for _, c := range all {
		want := strings.ReplaceAll(c[2], "'", `"`)
		if got := d.Post(t, "logs", shape.TargetPrefix+"."+c[0], c[1]); !strings.HasPrefix(got, want) &&
			!strings.HasPrefix(got, c[2]) {
			t.Errorf("%s %s\nanswers %s\nwant    %s", c[0], c[1], got, c[2])
		}
	}
}

// done is the answer of a call that returns nothing.
const done = "{}"

const groupARN = "arn:aws:logs:us-east-1:123456789012:log-group:"

// A log group has the same tags by its name and by its ARN. Invalid tags and ARNs of other things are
// refused.
func TestTags(t *testing.T) {
	a := newAPI(t)
	d := desktest.New(t, a.service())
	fifty := map[string]string{}
	for i := range 50 {
		fifty[fmt.Sprint("k", i)] = ""
	}
	tags := func(m map[string]string) string {
		doc, err := json.Marshal(m)
		if err != nil {
			t.Fatal(err)
		}
		return string(doc)
	}
	more := maps.Clone(fifty)
	more["k50"] = ""
	long := strings.Repeat("ä", 128)
	table{
		{"CreateLogGroup", `{'logGroupName':'/a/b','tags':{'team':'chat'}}`, done},
		{"TagLogGroup", `{'logGroupName':'/a/b','tags':{'team':'web','stage':''}}`, done},
		{"ListTagsForResource", `{'resourceArn':'` + groupARN + `/a/b'}`, `{'tags':{'stage':'','team':'web'}}`},
		{"TagResource", `{'resourceArn':'` + groupARN + `/a/b:*','tags':{'x':'y'}}`, done},
		{"ListTagsLogGroup", `{'logGroupName':'/a/b'}`, `{'tags':{'stage':'','team':'web','x':'y'}}`},
		{"UntagResource", `{'resourceArn':'` + groupARN + `/a/b','tagKeys':['stage','never']}`, done},
		{"UntagLogGroup", `{'logGroupName':'/a/b','tags':['x']}`, done},
		{"ListTagsLogGroup", `{'logGroupName':'/a/b'}`, `{'tags':{'team':'web'}}`},
		{"TagLogGroup", `{'logGroupName':'/a/b','tags':{'` + long + `':'` + long + long + `'}}`, done},
		{"UntagLogGroup", `{'logGroupName':'/a/b','tags':['` + long + `']}`, done},
		{"TagLogGroup", `{'logGroupName':'/a/b','tags':{'` + long + `ä':''}}`, "InvalidParameterException: The tag"},
		{"TagLogGroup", `{'logGroupName':'/a/b','tags':{'k':'` + long + long + `ä'}}`,
			"InvalidParameterException: The tag"},
		{"TagLogGroup", `{'logGroupName':'/a/b','tags':{'AWS:x':''}}`,
			`InvalidParameterException: The tag "AWS:x" is not valid`},
		{"TagLogGroup", `{'logGroupName':'/a/b','tags':` + tags(fifty) + `}`,
			"TooManyTagsException: A resource can have no more than 50 tags."},
		{"CreateLogGroup", `{'logGroupName':'c','tags':` + tags(more) + `}`, "TooManyTagsException: "},
		{"CreateLogGroup", `{'logGroupName':'c','tags':` + tags(fifty) + `}`, done},
		{"TagLogGroup", `{'logGroupName':'c','tags':{'k0':'again'}}`, done},
		{"ListTagsLogGroup", `{'logGroupName':'/a/b'}`, `{'tags':{'team':'web'}}`},
		{"CreateLogGroup", `{'logGroupName':'bare'}`, done},
		{"ListTagsLogGroup", `{'logGroupName':'bare'}`, `{'tags':{}}`},
		{"UntagLogGroup", `{'logGroupName':'bare','tags':['x']}`, done},
		{"ListTagsLogGroup", `{'logGroupName':'never'}`, "ResourceNotFoundException: "},
		{"TagResource", `{'resourceArn':'` + groupARN + `never','tags':{'x':'y'}}`, "ResourceNotFoundException: "},
		{"ListTagsForResource", `{'resourceArn':'arn:aws:logs:us-east-1:123456789012:destination:x'}`,
			"InvalidParameterException: The resource"},
		{"UntagResource", `{'resourceArn':'/a/b','tagKeys':['team']}`, "InvalidParameterException: The resource"},
	}.play(t, d)
}

// An ARN of another region or account is never found here, even if a group here has that name.
func TestARNsOfElsewhereFindNothing(t *testing.T) {
	a := newAPI(t)
	d := desktest.New(t, a.service())
	table{
		{"CreateLogGroup", `{'logGroupName':'g','tags':{'team':'chat'}}`, done},
		{"CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`, done},
		{"DescribeLogStreams", `{'logGroupIdentifier':'` + groupARN + `g','limit':1}`, `{"logStreams":[{`},
	}.play(t, d)
	for _, elsewhere := range []string{
		"arn:aws:logs:eu-west-2:123456789012:log-group:g", "arn:aws:logs:us-east-1:999999999999:log-group:g",
	} {
		table{
			{"ListTagsForResource", `{'resourceArn':'` + elsewhere + `'}`,
				"ResourceNotFoundException: The specified log group does not exist."},
			{"TagResource", `{'resourceArn':'` + elsewhere + `','tags':{'x':'y'}}`, "ResourceNotFoundException: "},
			{"UntagResource", `{'resourceArn':'` + elsewhere + `','tagKeys':['team']}`, "ResourceNotFoundException: "},
			{"DescribeLogStreams", `{'logGroupIdentifier':'` + elsewhere + `'}`, "ResourceNotFoundException: "},
			{"FilterLogEvents", `{'logGroupIdentifier':'` + elsewhere + `'}`, "ResourceNotFoundException: "},
			{"GetLogEvents", `{'logGroupIdentifier':'` + elsewhere + `','logStreamName':'s'}`,
				"ResourceNotFoundException: "},
			{"DescribeLogGroups", `{'logGroupIdentifiers':['` + elsewhere + `']}`, `{'logGroups':[]}`},
		}.play(t, d)
	}
	table{{"ListTagsLogGroup", `{'logGroupName':'g'}`, `{'tags':{'team':'chat'}}`}}.play(t, d)
}

// Log groups are listed by a part of the name, by a regular expression and by class, in pages.
func TestGroupsAreFound(t *testing.T) {
	a := newAPI(t)
	d := desktest.New(t, a.service())
	for _, name := range []string{"/ecs/api", "/ecs/chat", "other"} {
		table{{"CreateLogGroup", `{'logGroupName':'` + name + `','logGroupClass':'` + map[bool]string{
			true: "INFREQUENT_ACCESS", false: "STANDARD",
		}[name == "other"] + `'}`, done}}.play(t, d)
	}
	names := func(action, input string) (names []string, next string) {
		t.Helper()
		var out struct {
			LogGroups []struct{ LogGroupName string }
			NextToken string
		}
		got := d.Post(t, "logs", shape.TargetPrefix+"."+action, input)
		if err := json.Unmarshal([]byte(got), &out); err != nil {
			t.Fatalf("%s %s answers %s", action, input, got)
		}
		for _, g := range out.LogGroups {
			names = append(names, g.LogGroupName)
		}
		return names, out.NextToken
	}
	for _, c := range []struct {
		action, input string
		want          []string
	}{
		{"ListLogGroups", `{}`, []string{"/ecs/api", "/ecs/chat", "other"}},
		{"ListLogGroups", `{'logGroupNamePattern':'^/ecs/|x'}`, []string{"/ecs/api", "/ecs/chat"}},
		{"ListLogGroups", `{'logGroupClass':'INFREQUENT_ACCESS'}`, []string{"other"}},
		{"DescribeLogGroups", `{'logGroupNamePrefix':'/ecs/c'}`, []string{"/ecs/chat"}},
		{"DescribeLogGroups", `{'logGroupNamePattern':'a'}`, []string{"/ecs/api", "/ecs/chat"}},
		{"DescribeLogGroups", `{'logGroupIdentifiers':['other','` + groupARN + `/ecs/api']}`,
			[]string{"/ecs/api", "other"}},
		{"DescribeLogGroups", `{'logGroupClass':'STANDARD'}`, []string{"/ecs/api", "/ecs/chat"}},
	} {
		if got, next := names(c.action, c.input); !reflect.DeepEqual(got, c.want) || next != "" {
			t.Errorf("%s %s finds %q and a next page %q, want %q", c.action, c.input, got, next, c.want)
		}
	}
	for _, action := range []string{"ListLogGroups", "DescribeLogGroups"} {
		first, next := names(action, `{'limit':2}`)
		second, end := names(action, `{'limit':2,'nextToken':'`+next+`'}`)
		if !reflect.DeepEqual(append(first, second...), []string{"/ecs/api", "/ecs/chat", "other"}) ||
			len(first) != 2 || end != "" {
			t.Errorf("%s finds %q, then %q with the next token %q", action, first, second, end)
		}
	}
	table{
		{"ListLogGroups", `{'logGroupNamePattern':'('}`,
			"InvalidParameterException: logGroupNamePattern is not a regular expression."},
		{"ListLogGroups", `{'limit':1001}`,
			"InvalidParameterException: 1 validation error detected: Value '1001' at 'limit'"},
		{"DescribeLogGroups", `{'limit':51}`,
			"InvalidParameterException: 1 validation error detected: Value '51' at 'limit'"},
		{"DescribeLogGroups", `{'limit':0}`,
			"InvalidParameterException: 1 validation error detected: Value '0' at 'limit'"},
		{"DescribeLogGroups", `{'logGroupNamePrefix':'a','logGroupNamePattern':'b'}`,
			"InvalidParameterException: LogGroup name prefix and LogGroup name pattern are mutually " +
				"exclusive parameters."},
	}.play(t, d)
}

// Deleting a stream deletes its events, so a new stream with its name is empty. The retention of a group can
// be set and removed.
func TestWhatIsDeletedIsGone(t *testing.T) {
	a := newAPI(t)
	d := desktest.New(t, a.service())
	now := a.call().Now.UnixMilli()
	a.fill(t, now, map[string][]int64{"s": {1, 2}, "other": {3}})
	event := `{"events":[{`
	table{
		{"GetLogEvents", `{'logGroupName':'g','logStreamName':'s','limit':1}`, event},
		{"DeleteLogStream", `{'logGroupName':'g','logStreamName':'s'}`, done},
		{"DeleteLogStream", `{'logGroupName':'g','logStreamName':'s'}`,
			"ResourceNotFoundException: The specified log stream does not exist."},
		{"DeleteLogStream", `{'logGroupName':'never','logStreamName':'s'}`,
			"ResourceNotFoundException: The specified log group does not exist."},
		{"GetLogEvents", `{'logGroupName':'g','logStreamName':'s'}`,
			"ResourceNotFoundException: The specified log stream does not exist."},
		{"CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`, done},
		{"GetLogEvents", `{'logGroupName':'g','logStreamName':'s'}`, `{"events":[],`},
		{"GetLogEvents", `{'logGroupName':'g','logStreamName':'other'}`, event},
		{"FilterLogEvents", `{'logGroupName':'g','filterPattern':'s'}`, `{"events":[]`},
		{"CreateLogStream", `{'logGroupName':'g','logStreamName':'s'}`,
			"ResourceAlreadyExistsException: The specified log stream already exists"},
		{"CreateLogGroup", `{'logGroupName':'g'}`,
			"ResourceAlreadyExistsException: The specified log group already exists"},
		{"PutRetentionPolicy", `{'logGroupName':'g','retentionInDays':2}`, "InvalidParameterException: "},
		{"PutRetentionPolicy", `{'logGroupName':'g','retentionInDays':3}`, done},
	}.play(t, d)
	if got := d.Post(t, "logs", shape.TargetPrefix+".DescribeLogGroups", `{}`); !strings.Contains(got,
		`"retentionInDays":3`) {
		t.Errorf("DescribeLogGroups answers %s", got)
	}
	table{
		{"DeleteRetentionPolicy", `{'logGroupName':'g'}`, done},
		{"DeleteRetentionPolicy", `{'logGroupName':'never'}`, "ResourceNotFoundException: "},
	}.play(t, d)
	if got := d.Post(t, "logs", shape.TargetPrefix+".DescribeLogGroups", `{}`); strings.Contains(got,
		"retentionInDays") {
		t.Errorf("DescribeLogGroups answers %s", got)
	}
	table{
		{"DeleteLogGroup", `{'logGroupName':'g'}`, done},
		{"DeleteLogGroup", `{'logGroupName':'g'}`, "ResourceNotFoundException: "},
		{"CreateLogGroup", `{'logGroupName':'g'}`, done},
		{"DescribeLogStreams", `{'logGroupName':'g'}`, `{'logStreams':[]}`},
	}.play(t, d)
}
