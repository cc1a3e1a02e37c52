package restwire

import (
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

func TestMatch(t *testing.T) {
	for _, c := range []struct {
		route, method, target string
		labels                map[string]string
	}{
		{"GET /zones 200", "GET", "/zones", map[string]string{}},
		{"GET /zones 200", "GET", "/zones/?x=y", map[string]string{}},
		{"GET /zones 200", "HEAD", "/zones", map[string]string{}},
		{"GET /zones 200", "POST", "/zones", nil},
		{"GET /zones 200", "GET", "/zones/a", nil},
		{"GET / 200", "GET", "/", map[string]string{}},
		{"GET /zones/{Id}/rrset 200", "GET", "/zones/a%2Fb/rrset", map[string]string{"Id": "a/b"}},
		{"GET /zones/{Id}/rrset 200", "GET", "/zones//rrset", nil},
		{"GET /{Bucket}/{Key+} 200", "GET", "/b/k/e/y", map[string]string{"Bucket": "b", "Key": "k/e/y"}},
		{"GET /{Bucket}/{Key+} 200", "GET", "/b", nil},
		{"PUT /{Bucket}?policy 200", "PUT", "/b?policy", map[string]string{"Bucket": "b"}},
		{"PUT /{Bucket}?policy 200", "PUT", "/b?policy=", map[string]string{"Bucket": "b"}},
		{"PUT /{Bucket}?list=2 200", "PUT", "/b?list=1", nil},
		{"PUT /{Bucket}?policy 200", "PUT", "/b", nil},
	} {
		r, err := ParseRoute(c.route)
		if err != nil {
			t.Fatal(err)
		}
		u, err := url.Parse(c.target)
		if err != nil {
			t.Fatal(err)
		}
		labels, _, ok := r.Match(c.method, u)
		if ok != (c.labels != nil) || ok && !reflect.DeepEqual(labels, c.labels) {
			t.Errorf("%s, %s %s: %v, %v, want %v", c.route, c.method, c.target, labels, ok, c.labels)
		}
	}
}

// If several routes match, the one that prescribes more of the request has the largest weight.
func TestWeight(t *testing.T) {
	u, _ := url.Parse("/b?policy")
	weight := func(route string) int {
		r, err := ParseRoute(route)
		if err != nil {
			t.Fatal(err)
		}
		_, w, ok := r.Match("GET", u)
		if !ok {
			t.Fatalf("%s does not match", route)
		}
		return w
	}
	if weight("GET /{Bucket}?policy 200") <= weight("GET /{Bucket} 200") ||
		weight("GET /b 200") <= weight("GET /{B} 200") {
		t.Error("a route that prescribes less has a larger weight")
	}
}

func TestParseRouteRefuses(t *testing.T) {
	for _, tag := range []string{"", "GET /a", "GET a 200", "GET /a x", "GET /a 404"} {
		if _, err := ParseRoute(tag); err == nil {
			t.Errorf("%q: no error", tag)
		}
	}
}

type sample struct {
	Id     *string           `json:"Id" http:"label"`
	Max    *int32            `json:"Max" http:"query=max"`
	Tags   []string          `json:"Tags" http:"query=tag"`
	Since  *time.Time        `json:"Since" http:"header=If-Modified-Since"`
	Dates  []time.Time       `json:"Dates" http:"header=Dates"`
	Names  []string          `json:"Names" http:"header=Names"`
	Meta   map[string]string `json:"Meta" http:"prefix=x-meta-"`
	Kind   string            `json:"Kind" http:"header=Kind" enum:"Kind"`
	Status *int32            `json:"Status" http:"status"`
	Body   *string           `json:"Body"`
}

func kinds(string) []string { return []string{"a", "b"} }

func sampleStruct(t *testing.T) *schema.Struct {
	var cache schema.Cache
	s, err := cache.Of(reflect.TypeFor[sample]())
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestMembers(t *testing.T) {
	s := sampleStruct(t)
	at := time.Date(2026, 11, 29, 8, 0, 0, 0, time.UTC)
	header := http.Header{}
	for name, value := range map[string]string{
		"If-Modified-Since": at.Format(http.TimeFormat), "Kind": "b", "Names": `a, "b"`, "X-Meta-Color": "red",
		"Dates": at.Format(http.TimeFormat) + ", " + at.Format(http.TimeFormat),
	} {
		header.Set(name, value)
	}
	var got sample
	problems := Decode(Request{Labels: map[string]string{"Id": "i"}, Header: header,
		Query: url.Values{"max": {"7"}, "tag": {"x", "y"}, "X-Amz-Date": {"z"}}},
		reflect.ValueOf(&got).Elem(), s, schema.JSON, kinds)
	want := sample{Id: new("i"), Max: new(int32(7)), Tags: []string{"x", "y"}, Since: &at, Dates: []time.Time{at, at},
		Names: []string{"a", "b"}, Meta: map[string]string{"color": "red"}, Kind: "b"}
	if len(problems) > 0 || !reflect.DeepEqual(got, want) {
		t.Errorf("%+v, %v, want %+v", got, problems, want)
	}
	want.Status = new(int32(202))
	written, status := Encode(reflect.ValueOf(want), s)
	if status != 202 || !reflect.DeepEqual(written, map[string]string{"If-Modified-Since": at.Format(http.TimeFormat),
		"Dates": header.Get("Dates"), "Names": "a, b", "x-meta-color": "red", "Kind": "b"}) {
		t.Errorf("%d %v", status, written)
	}
}

func TestProblems(t *testing.T) {
	s := sampleStruct(t)
	for _, c := range []struct {
		query, kind string
		path        string
		want        schema.ProblemKind
	}{
		{"max=seven", "", "Max", schema.WrongType}, {"max=1&max=2", "", "Max", schema.Malformed},
		{"min=1", "", "min", schema.Unknown}, {"", "c", "Kind", schema.BadEnum},
	} {
		query, _ := url.ParseQuery(c.query)
		header := http.Header{}
		if c.kind != "" {
			header.Set("Kind", c.kind)
		}
		problems := Decode(Request{Labels: map[string]string{"Id": "i"}, Query: query, Header: header},
			reflect.New(reflect.TypeFor[sample]()).Elem(), s, schema.JSON, kinds)
		if len(problems) != 1 || problems[0].Kind != c.want || problems[0].Path.String() != c.path {
			t.Errorf("%s: %+v, want kind %d at %s", c.query, problems, c.want, c.path)
		}
	}
}

// Match panics for no URL. When it matches a route with labels, it returns their values.
func FuzzMatch(f *testing.F) {
	f.Add("/zones/a%2Fb/rrset?op=x")
	f.Add("//%zz/..")
	f.Fuzz(func(t *testing.T, target string) {
		u, err := url.ParseRequestURI(target)
		if err != nil {
			return
		}
		for _, tag := range []string{"GET /zones/{Id}/rrset 200", "GET /{Bucket}/{Key+} 200", "GET /{B}?policy 200"} {
			r, err := ParseRoute(tag)
			if err != nil {
				t.Fatal(err)
			}
			if labels, _, ok := r.Match("GET", u); ok && len(labels) == 0 {
				t.Errorf("%s matches %s without a label", tag, target)
			}
		}
	})
}
