package jsonwire

import (
	"bytes"
	"encoding/json"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/schema/schematest"
	"github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/awswire/shape/logs"
)

var cache schema.Cache

func structOf(t interface{ Fatal(...any) }, typ reflect.Type) *schema.Struct {
	s, err := cache.Of(typ)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// samples are shapes that together have every kind of member.
var samples = []reflect.Type{
	reflect.TypeFor[ecs.RegisterTaskDefinitionInput](), reflect.TypeFor[ecs.DescribeServicesOutput](),
	reflect.TypeFor[ecs.CreateServiceInput](), reflect.TypeFor[ecr.UploadLayerPartInput](),
	reflect.TypeFor[logs.FilterLogEventsOutput](), reflect.TypeFor[logs.GetQueryResultsOutput](),
}

// The encoder writes JSON, and decoding it gives the same values.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(samples).Draw(t, "shape")
		s := structOf(t, typ)
		v := reflect.New(typ).Elem()
		schematest.Draw(t, v, s, 6)
		text, err := Encode(v, s)
		if err != nil {
			t.Fatal(err)
		}
		if !json.Valid(text) {
			t.Fatalf("not JSON: %s", text)
		}
		back := reflect.New(typ).Elem()
		if problems := Decode(text, back, s, nil); len(problems) > 0 {
			t.Fatalf("%v in %s", problems, text)
		}
		if !reflect.DeepEqual(v.Interface(), back.Interface()) {
			t.Fatalf("read back %+v\nof %s", back, text)
		}
	})
}

// A string is written as encoding/json writes it, except for <, > and &.
func TestText(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := rapid.OneOf(rapid.String(), rapid.StringMatching(`[ -~]*`),
			rapid.StringOf(rapid.SampledFrom([]rune("a\"\\<>&\x7f\x1f\u2028\ufffdé")))).Draw(rt, "s")
		var want bytes.Buffer
		enc := json.NewEncoder(&want)
		enc.SetEscapeHTML(false)
		if err := enc.Encode(s); err != nil {
			rt.Fatal(err)
		}
		var e encoder
		e.text(s)
		if got := string(e.b) + "\n"; got != want.String() {
			rt.Fatalf("%q is written as %s, want %s", s, got, want.String())
		}
	})
}

func TestSeconds(t *testing.T) {
	for _, c := range []struct {
		at   time.Time
		want string
	}{
		{time.Unix(1507760200, 123_000_000), "1507760200.123"},
		{time.Unix(1507760200, 0), "1507760200"},
		{time.Unix(1507760200, 50_999_999), "1507760200.05"},
		{time.UnixMilli(-1500), "-1.5"},
	} {
		if got := Seconds(c.at); got != c.want {
			t.Errorf("%v: %s, want %s", c.at, got, c.want)
		}
	}
}

// Numbers that JSON has no form for are strings in AWS's protocols.
func TestFloats(t *testing.T) {
	type shape struct {
		F *float64 `json:"f"`
	}
	s := structOf(t, reflect.TypeFor[shape]())
	for text, want := range map[string]float64{`{"f":"Infinity"}`: math.Inf(1),
		`{"f":"-Infinity"}`: math.Inf(-1), `{"f":1e-7}`: 1e-7, `{"f":"NaN"}`: math.NaN()} {
		var in shape
		if p := Decode([]byte(text), reflect.ValueOf(&in).Elem(), s, nil); p != nil {
			t.Fatalf("%s: %v", text, p)
		}
		if *in.F != want && !(math.IsNaN(want) && math.IsNaN(*in.F)) {
			t.Errorf("%s: %v", text, *in.F)
		}
		out, err := Encode(reflect.ValueOf(in), s)
		if err != nil || string(out) != text && text != `{"f":1e-7}` {
			t.Errorf("%s came back as %s, %v", text, out, err)
		}
	}
}

// The decoder panics for no text. What it accepts without a problem can be encoded, and the decoder reads that
// as values with the same encoding.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"family":"web","containerDefinitions":[{"name":"a","image":"i","memory":64,` +
			`"portMappings":[{"containerPort":3000}]}]}`,
		`{"containerDefinitions":[[[[[]]]]],"tags":{"a":{}},"cpu":1e400}`, `{"a":` + "\xff" + `}`, `null`,
		`{"family":null}`, `[`,
	} {
		f.Add([]byte(seed), uint8(0))
	}
	f.Fuzz(func(t *testing.T, text []byte, which uint8) {
		typ := samples[int(which)%len(samples)]
		s := structOf(t, typ)
		v := reflect.New(typ).Elem()
		if problems := Decode(text, v, s, ecs.EnumValues); len(problems) > 0 {
			return
		}
		s.Check(v, schema.JSON, nil)
		again, err := Encode(v, s)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(typ).Elem()
		if problems := Decode(again, back, s, ecs.EnumValues); len(problems) > 0 {
			t.Fatalf("%s became %s: %v", text, again, problems)
		}
		if second, err := Encode(back, s); err != nil || !bytes.Equal(again, second) {
			t.Errorf("%s became %s and then %s", text, again, second)
		}
	})
}

// The parser accepts the same texts as encoding/json and reads the same values, except that it refuses
// members that are given twice, and deep nesting.
func FuzzParse(f *testing.F) {
	for _, seed := range []string{
		`{"a":[1,-0.5e+3,true,false,null,"x"],"b":{"c":{}}, "d" : [ ] }`, `{"a":1,"a":2}`, `[1,]`, `[,1]`, `{,}`,
		`"\u00e9\ud83d\ude00\ud800\n\/"`, "\"\xff\"", "\"\x7f\xc3\xa9\"", `-`, `1.e5`, `-01`, `1e`, `tru`, `"\x"`,
		"\u00a01", `[[[[]]]]`, "1\x00", "\"\x00\"", `{"a"}`, `{"a":}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, err := parse(text)
		dec := json.NewDecoder(bytes.NewReader(text))
		dec.UseNumber()
		var want any
		if wantErr := dec.Decode(&want); wantErr != nil || !json.Valid(text) {
			if err == nil {
				t.Fatalf("%q was accepted: %v", text, got)
			}
			return
		}
		if err != nil && (strings.Contains(err.Error(), "is given twice") || strings.Contains(err.Error(), "nested")) {
			return
		}
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%q: %#v, %v, want %#v", text, got, err, want)
		}
	})
}

// Texts that are not JSON, and JSON with an obvious mistake.
func TestMalformed(t *testing.T) {
	s := structOf(t, samples[0])
	for text, want := range map[string]string{
		`{`:                         "unexpected end of JSON input at byte 1",
		`{"family"`:                 "unexpected end of JSON input at byte 9",
		`{"family":"a"} x`:          "unexpected text after the JSON document at byte 15",
		`{"family":"a","family":1}`: `the member "family" is given twice at byte 22`,
		strings.Repeat("[", 1000):   "nested deeper than 100 levels at byte 102",
		// In these messages, the words before the position are the standard library's.
		`{"family":}`:           "at byte 10",
		`{"family":"a",}`:       "at byte 14",
		`{1:2}`:                 "at byte 1",
		`{"family":01}`:         "at byte 11",
		`{"family":1.}`:         "at byte 11",
		`{"family":nul}`:        "at byte 12",
		`{"family":"\uZ"}`:      "at byte 12",
		`{"family":"\`:          "at byte 10",
		"{\"family\":\"\x01\"}": "at byte 10",
	} {
		problems := Decode([]byte(text), reflect.New(samples[0]).Elem(), s, nil)
		if len(problems) != 1 || problems[0].Kind != schema.Malformed || !strings.HasSuffix(problems[0].Have, want) {
			t.Errorf("%.40s: %+v, want %s", text, problems, want)
		}
	}
}
