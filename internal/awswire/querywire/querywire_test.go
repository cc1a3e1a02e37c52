package querywire

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"io"
	"net/url"
	"reflect"
	"strconv"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/schema/schematest"
	"github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/awswire/xmlwire"
)

var cache schema.Cache

func decode[T any](t testing.TB, form string, enums func(string) []string) (T, []schema.Problem) {
	t.Helper()
	values, err := url.ParseQuery(form)
	if err != nil {
		t.Fatal(err)
	}
	s, err := cache.Of(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	var in T
	return in, Decode(values, reflect.ValueOf(&in).Elem(), s, enums)
}

func check[T any](t *testing.T, form string, want T) {
	t.Helper()
	values, _ := url.ParseQuery(form)
	s, err := cache.Of(reflect.TypeFor[T]())
	if err != nil {
		t.Fatal(err)
	}
	var in T
	if problems := Decode(values, reflect.ValueOf(&in).Elem(), s, nil); len(problems) > 0 {
		t.Errorf("%s: %+v", form, problems)
	}
	if !reflect.DeepEqual(in, want) {
		t.Errorf("%s: %+v, want %+v", form, in, want)
	}
}

// The forms that botocore and the SDKs send are decoded.
func TestForms(t *testing.T) {
	check(t, "Action=DescribeTargetGroups&Version=2015-12-01&Names.member.1=a&Names.member.2=b&PageSize=10",
		elbv2.DescribeTargetGroupsInput{Names: []string{"a", "b"}, PageSize: new(int32(10))})
	check(t, "Names=", elbv2.DescribeTargetGroupsInput{Names: []string{}}) // an empty list
	check(t, "Names.member.10=b&Names.member.9=a", elbv2.DescribeTargetGroupsInput{Names: []string{"a", "b"}})
	check(t, "Targets.member.1.Id=i-1&Targets.member.1.Port=80&TargetGroupArn=tg",
		elbv2.RegisterTargetsInput{TargetGroupArn: new("tg"),
			Targets: []elbv2.TargetDescription{{Id: new("i-1"), Port: new(int32(80))}}})
	check(t, "Filter.1.Name=tag:a&Filter.1.Value.1=x&Filter.1.Value.2=y&InstanceId.1=i-1&DryRun=true",
		ec2.DescribeInstancesInput{Filters: []ec2.Filter{{Name: new("tag:a"), Values: []string{"x", "y"}}},
			InstanceIds: []string{"i-1"}, DryRun: new(true)})
	check(t, "PublicKeyMaterial=aGVsbG8%3D&KeyName=k",
		ec2.ImportKeyPairInput{KeyName: new("k"), PublicKeyMaterial: []byte("hello")})
	// A list whose items have their own name in the form also accepts "member", the name in all other lists.
	check(t, "SecurityGroupIds.SecurityGroupId.1=sg&CacheClusterId=c",
		elasticache.CreateCacheClusterInput{CacheClusterId: new("c"), SecurityGroupIds: []string{"sg"}})
	check(t, "SecurityGroupIds.member.1=sg&CacheClusterId=c",
		elasticache.CreateCacheClusterInput{CacheClusterId: new("c"), SecurityGroupIds: []string{"sg"}})
	check(t, "StartTime=2026-11-23T00%3A55%3A38Z&AutoScalingGroupName=g&ScheduledActionName=n&MinSize=1",
		autoscaling.PutScheduledUpdateGroupActionInput{AutoScalingGroupName: new("g"),
			ScheduledActionName: new("n"), MinSize: new(int32(1)),
			StartTime: new(time.Date(2026, 11, 23, 0, 55, 38, 0, time.UTC))})
	// an empty string is not absent
	check(t, "X-Amz-Algorithm=a&SignatureVersion=4&Name=", elbv2.CreateLoadBalancerInput{Name: new("")})
}

func TestProblems(t *testing.T) {
	for form, want := range map[string]string{
		"Names.member.0=a":                    "Names.0",
		"Names.member.01=a":                   "Names.01",
		"Names.member.x=a":                    "Names.x",
		"Names.member.1.X=a":                  "Names.1.X",
		"Names=a":                             "Names",
		"Name=a":                              "Name",
		"Names.member.999999=a":               "Names.999999",
		"PageSize=" + strings.Repeat("9", 30): "PageSize",
		"PageSize.X=1":                        "PageSize.X",
		"Names..1=a":                          "Names..1",
		".=a":                                 ".",
		strings.Repeat("Names.", maxDepth) + "x=1": strings.Repeat("Names.", maxDepth) + "x",
	} {
		_, problems := decode[elbv2.DescribeTargetGroupsInput](t, form, nil)
		if len(problems) != 1 || problems[0].Path.Parameter() != want {
			t.Errorf("%s: %+v, want one at %s", form, problems, want)
		}
	}
}

// encode writes a value as a client does.
func encode(form url.Values, prefix string, v reflect.Value, t *schema.Type, n schema.Names) {
	if v.Kind() == reflect.Pointer {
		v = v.Elem()
	}
	switch t.Kind {
	case schema.Structure:
		for _, f := range t.Struct.Fields {
			if fv := v.Field(f.Index); f.Query.Name != "" && !fv.IsZero() {
				encode(form, strings.TrimPrefix(prefix+"."+f.Query.Name, "."), fv, f.Type, f.Query)
			}
		}
	case schema.List:
		if v.Len() == 0 {
			form.Set(prefix, "")
		}
		if !n.Flat {
			prefix += "." + n.Item
		}
		for i := range v.Len() {
			encode(form, prefix+"."+strconv.Itoa(i+1), v.Index(i), t.Elem, n)
		}
	case schema.Map:
		for i, k := range v.MapKeys() {
			entry := prefix + "." + n.Entry + "." + strconv.Itoa(i+1) + "."
			form.Set(entry+n.Key, k.String())
			encode(form, entry+n.Value, v.MapIndex(k), t.Elem, n)
		}
	case schema.Time:
		form.Set(prefix, v.Interface().(time.Time).Format(time.RFC3339Nano))
	case schema.Blob:
		form.Set(prefix, base64.StdEncoding.EncodeToString(v.Bytes()))
	default:
		form.Set(prefix, fmt.Sprint(v))
	}
}

// dense removes what a form cannot represent: structures without members, and lists and maps that contain
// only those.
func dense(v reflect.Value) bool {
	switch v.Kind() {
	case reflect.Pointer:
		return v.IsNil() || dense(v.Elem())
	case reflect.Struct:
		if v.Type() == reflect.TypeFor[time.Time]() {
			return true
		}
		set := false
		for i := range v.NumField() {
			f := v.Field(i)
			if !f.CanSet() || f.IsZero() {
				continue
			}
			if !dense(f) {
				f.SetZero()
			}
			set = set || !f.IsZero()
		}
		return set
	case reflect.Slice:
		for i := range v.Len() {
			if !dense(v.Index(i)) {
				return false
			}
		}
	case reflect.Map:
		return v.Len() > 0
	}
	return true
}

// Decoding a form that a client has written gives the same values.
func TestRoundTrip(t *testing.T) {
	shapes := []reflect.Type{
		reflect.TypeFor[ec2.RunInstancesInput](), reflect.TypeFor[elbv2.CreateRuleInput](),
		reflect.TypeFor[autoscaling.CreateAutoScalingGroupInput](),
		reflect.TypeFor[elasticache.CreateReplicationGroupInput](),
		reflect.TypeFor[ec2.CreateLaunchTemplateInput](),
	}
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(shapes).Draw(t, "shape")
		s, err := cache.Of(typ)
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.New(typ).Elem()
		schematest.Draw(t, v, s, 6)
		dense(v)
		form := url.Values{}
		encode(form, "", v, &schema.Type{Kind: schema.Structure, Struct: s}, schema.Names{})
		back := reflect.New(typ).Elem()
		if problems := Decode(form, back, s, nil); len(problems) > 0 {
			t.Fatalf("%+v in %v", problems, form)
		}
		if !reflect.DeepEqual(v.Interface(), back.Interface()) {
			t.Fatalf("read back %+v\nof %v", back, form)
		}
	})
}

// The decoder panics for no form. Values that it has read can be written as well-formed XML.
func FuzzDecode(f *testing.F) {
	f.Add("Filter.1.Name=a&Filter.1.Value.1=b&MaxResults=5", uint8(0))
	f.Add("Actions.member.1.AuthenticateOidcConfig.AuthenticationRequestExtraParams.entry.1.key=k"+
		"&Conditions.member.2.Values=", uint8(1))
	f.Add("a.b.c.d=1&a=2&a.b=3&.=&%00.1=x", uint8(2))
	f.Fuzz(func(t *testing.T, form string, which uint8) {
		values, err := url.ParseQuery(form)
		if err != nil {
			return
		}
		typ := []reflect.Type{
			reflect.TypeFor[ec2.RunInstancesInput](), reflect.TypeFor[elbv2.CreateRuleInput](),
			reflect.TypeFor[ec2.Filter](), reflect.TypeFor[elbv2.Rule](),
		}[which%4]
		s, err := cache.Of(typ)
		if err != nil {
			t.Fatal(err)
		}
		v := reflect.New(typ).Elem()
		Decode(values, v, s, elbv2.EnumValues)
		s.Check(v, schema.Query, nil)
		var b bytes.Buffer
		b.WriteString("<x>")
		xmlwire.Encode(&b, v, s)
		b.WriteString("</x>")
		for d := xml.NewDecoder(&b); ; {
			if _, err := d.Token(); err == io.EOF {
				break
			} else if err != nil {
				t.Fatalf("%v in %s", err, b.String())
			}
		}
	})
}
