package jsonwire

import (
	"encoding/json"
	"math"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire/schema"
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
	reflect.TypeFor[ecs.RegisterTaskDefinitionInput](), reflect.TypeFor[ecs.DescribeServicesOutput](), reflect.TypeFor[ecs.CreateServiceInput](),
	reflect.TypeFor[ecr.UploadLayerPartInput](), reflect.TypeFor[logs.FilterLogEventsOutput](), reflect.TypeFor[logs.GetQueryResultsOutput](),
}

// fill draws a value for every member, to a depth.
func fill(t *rapid.T, v reflect.Value, typ *schema.Type, depth int) {
	if v.Kind() == reflect.Pointer {
		v.Set(reflect.New(v.Type().Elem()))
		v = v.Elem()
	}
	switch typ.Kind {
	case schema.String:
		v.SetString(rapid.String().Filter(func(s string) bool { return s != "" }).Draw(t, "s"))
	case schema.Bool:
		v.SetBool(rapid.Bool().Draw(t, "b"))
	case schema.Integer:
		v.SetInt(rapid.Int64Range(math.MinInt32, math.MaxInt32).Draw(t, "i"))
	case schema.Float:
		v.SetFloat(float64(rapid.Float32().Draw(t, "f")))
	case schema.Time:
		v.Set(reflect.ValueOf(time.UnixMilli(rapid.Int64Range(-1e12, 1e13).Draw(t, "t")).UTC()))
	case schema.Blob:
		v.SetBytes(rapid.SliceOf(rapid.Byte()).Draw(t, "blob"))
	case schema.Structure:
		fillStruct(t, v, typ.Struct, depth)
	case schema.List:
		n := rapid.IntRange(0, 2).Draw(t, "n")
		v.Set(reflect.MakeSlice(v.Type(), n, n))
		for i := range n {
			fill(t, v.Index(i), typ.Elem, depth-1)
		}
	case schema.Map:
		v.Set(reflect.MakeMap(v.Type()))
		for range rapid.IntRange(0, 2).Draw(t, "n") {
			e := reflect.New(v.Type().Elem()).Elem()
			fill(t, e, typ.Elem, depth-1)
			v.SetMapIndex(reflect.ValueOf(rapid.String().Draw(t, "k")), e)
		}
	case schema.Any:
		v.Set(reflect.ValueOf(map[string]any{"a": []any{1.5, "x", true, nil}}))
	}
}

func fillStruct(t *rapid.T, v reflect.Value, s *schema.Struct, depth int) {
	for i := range s.Fields {
		if depth > 0 && rapid.IntRange(0, 2).Draw(t, "set") == 0 {
			fill(t, v.Field(s.Fields[i].Index), s.Fields[i].Type, depth-1)
		}
	}
}

// What is written is JSON, and reads back as it was.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(samples).Draw(t, "shape")
		s := structOf(t, typ)
		v := reflect.New(typ).Elem()
		fillStruct(t, v, s, 6)
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

// The numbers that JSON has no digits for are words on AWS's wire.
func TestFloats(t *testing.T) {
	type shape struct {
		F *float64 `json:"f"`
	}
	s := structOf(t, reflect.TypeFor[shape]())
	for text, want := range map[string]float64{`{"f":"Infinity"}`: math.Inf(1), `{"f":"-Infinity"}`: math.Inf(-1), `{"f":1e-7}`: 1e-7, `{"f":"NaN"}`: math.NaN()} {
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

// No text makes the decoder panic; what it takes without a problem can be written and means the same.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{"family":"web","containerDefinitions":[{"name":"a","image":"i","memory":64,"portMappings":[{"containerPort":3000}]}]}`,
		`{"containerDefinitions":[[[[[]]]]],"tags":{"a":{}},"cpu":1e400}`, `{"a":` + "\xff" + `}`, `null`, `{"family":null}`, `[`,
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
		if problems := Decode(again, back, s, ecs.EnumValues); len(problems) > 0 || !reflect.DeepEqual(v.Interface(), back.Interface()) {
			t.Errorf("%s became %s: %v", text, again, problems)
		}
	})
}
