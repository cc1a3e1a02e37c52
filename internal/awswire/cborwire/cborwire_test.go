package cborwire

import (
	"bytes"
	"encoding/hex"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/fxamacker/cbor/v2"
	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/schema/schematest"
	"github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/awswire/shape/ecs"
)

var cache schema.Cache

func structOf(t interface{ Fatal(...any) }, typ reflect.Type) *schema.Struct {
	s, err := cache.Of(typ)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// samples are shapes that together have every kind of member that RPC v2 has.
var samples = []reflect.Type{
	reflect.TypeFor[cloudwatch.PutMetricDataInput](), reflect.TypeFor[cloudwatch.GetMetricDataOutput](),
	reflect.TypeFor[cloudwatch.PutMetricAlarmInput](), reflect.TypeFor[cloudwatch.GetMetricStatisticsOutput](),
	reflect.TypeFor[ecr.UploadLayerPartInput](), reflect.TypeFor[ecs.RunTaskInput](),
}

// The encoder writes CBOR, and decoding it gives the same values.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(samples).Draw(t, "shape")
		s := structOf(t, typ)
		v := reflect.New(typ).Elem()
		schematest.Draw(t, v, s, 6)
		data, err := Encode(v, s)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(typ).Elem()
		if problems := Decode(data, back, s, nil); len(problems) > 0 {
			t.Fatalf("%v in %x", problems, data)
		}
		if !reflect.DeepEqual(v.Interface(), back.Interface()) {
			t.Fatalf("read back %+v\nof %x", back, data)
		}
	})
}

type sample struct {
	Text   *string            `json:"text"`
	Yes    *bool              `json:"yes"`
	Small  *int32             `json:"small"`
	Big    *int64             `json:"big"`
	Ratio  *float64           `json:"ratio"`
	At     *time.Time         `json:"at"`
	Bytes  []byte             `json:"bytes"`
	List   []string           `json:"list"`
	Map    map[string]float64 `json:"map"`
	Doc    any                `json:"doc"`
	Nested *sample            `json:"nested"`
}

// Bytes in the forms that serializers write are decoded to the right values, and encoded to the same bytes.
func TestPairs(t *testing.T) {
	s := structOf(t, reflect.TypeFor[sample]())
	for _, c := range []struct {
		data string
		want sample
		once bool // Encode writes another form
	}{
		{"a0", sample{}, false},
		{"", sample{}, true},
		{"bfff", sample{}, true},                                              // a map without a length
		{"a16474657874f6", sample{}, true},                                    // null is absent
		{"a1647465787460", sample{Text: new("")}, false},                      // empty is not absent
		{"a16474657874f7", sample{}, true},                                    // undefined is absent
		{"a16474657874" + "7f6161" + "6162ff", sample{Text: new("ab")}, true}, // a text in parts
		{"a163796573f4", sample{Yes: new(false)}, false},
		{"a165736d616c6c1a7fffffff", sample{Small: new(int32(math.MaxInt32))}, false},
		{"a1636269671b7fffffffffffffff", sample{Big: new(int64(math.MaxInt64))}, false},
		{"a163626967" + "20", sample{Big: new(int64(-1))}, false},
		{"a165726174696ffb3ff8000000000000", sample{Ratio: new(1.5)}, false},
		{"a165726174696ff93e00", sample{Ratio: new(1.5)}, true}, // sixteen bits
		{"a165726174696f02", sample{Ratio: new(2.0)}, true},     // a whole number
		{"a165726174696ffb7ff0000000000000", sample{Ratio: new(math.Inf(1))}, false},
		{"a1626174c1fb41d9d6f3e4c00000", sample{At: new(time.UnixMilli(1734070163000).UTC())}, false},
		{"a1626174c11a675bcf93", sample{At: new(time.UnixMilli(1734070163000).UTC())}, true},
		{"a16562797465734200ff", sample{Bytes: []byte{0, 255}}, false},
		{"a1646c69737480", sample{List: []string{}}, false},
		{"a1636d6170a16161fb3ff8000000000000", sample{Map: map[string]float64{"a": 1.5}}, false},
		{"a1666e6573746564a0", sample{Nested: &sample{}}, false},
	} {
		data, err := hex.DecodeString(c.data)
		if err != nil {
			t.Fatal(err)
		}
		var got sample
		problems := Decode(data, reflect.ValueOf(&got).Elem(), s, nil)
		if len(problems) > 0 || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, %v, want %+v", c.data, got, problems, c.want)
		}
		if again, err := Encode(reflect.ValueOf(c.want), s); !c.once && (err != nil || !bytes.Equal(again, data)) {
			t.Errorf("%s was written as %x, %v", c.data, again, err)
		}
	}
}

// Bytes that are not CBOR are problems, and so is CBOR that does not have one clear meaning.
func TestProblems(t *testing.T) {
	s := structOf(t, reflect.TypeFor[sample]())
	for _, c := range []struct {
		data string
		kind schema.ProblemKind
		want string
	}{
		{"a1", schema.Malformed, "unexpected EOF"},
		{"a0a0", schema.Malformed, "1 bytes of extraneous data starting at index 1"},
		{"a2647465787460647465787460", schema.Malformed, "found duplicate map key"},
		{"a10160", schema.Malformed, "cannot unmarshal positive integer into Go value of type string"},
		{"a16474657874" + "61ff", schema.Malformed, "invalid UTF-8"},
		{strings.Repeat("81", 200), schema.Malformed, "exceeded max nested level 64"},
		{"9b7fffffffffffffff", schema.Malformed, "max number of elements"},
		{"1bffffffffffffffff", schema.Malformed, "Go's int64"},
		{"80", schema.WrongType, "START_LIST"},
		{"a1" + "6378797a" + "01", schema.Unknown, ""},
		{"a16474657874" + "01", schema.WrongType, "NUMBER_VALUE"},
		{"a165736d616c6c1a80000000", schema.WrongType, "NUMBER_VALUE"},
		{"a165736d616c6cfb3ff8000000000000", schema.WrongType, "NUMBER_VALUE"},
		{"a162617401", schema.WrongType, "NUMBER_VALUE"}, // a time without its tag
		{"a16562797465736161", schema.WrongType, "STRING_VALUE"},
		{"a16474657874" + "4161", schema.WrongType, "BYTES_VALUE"},
		{"a163646f6301", schema.WrongType, "NUMBER_VALUE"},
		{"a1646c69737481f6", schema.WrongType, "NULL_VALUE"},
	} {
		data, err := hex.DecodeString(c.data)
		if err != nil {
			t.Fatal(err)
		}
		problems := Decode(data, reflect.New(reflect.TypeFor[sample]()).Elem(), s, nil)
		if len(problems) != 1 || problems[0].Kind != c.kind || !strings.Contains(problems[0].Have, c.want) {
			t.Errorf("%s: %+v, want kind %d with %q", c.data, problems, c.kind, c.want)
		}
	}
}

// The decoder panics for no input. Values that it accepts without a problem can be encoded, and decoded again
// to the same values.
func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		"a0", "bfff", "a1647465787460", "a1626174c1fb41d9d6f3e4c00000", "9b7fffffffffffffff",
	} {
		data, _ := hex.DecodeString(seed)
		f.Add(data, uint8(0))
	}
	seed, _ := cbor.Marshal(map[string]any{"Namespace": "n", "MetricData": []any{map[string]any{
		"MetricName": "m", "Values": []float64{1, 2}, "Dimensions": []any{map[string]any{"Name": "a", "Value": "b"}}}}})
	f.Add(seed, uint8(0))
	f.Fuzz(func(t *testing.T, data []byte, which uint8) {
		typ := samples[int(which)%len(samples)]
		s := structOf(t, typ)
		v := reflect.New(typ).Elem()
		if problems := Decode(data, v, s, cloudwatch.EnumValues); len(problems) > 0 {
			return
		}
		s.Check(v, schema.JSON, nil)
		first, err := Encode(v, s)
		if err != nil {
			t.Fatal(err)
		}
		back := reflect.New(typ).Elem()
		if problems := Decode(first, back, s, cloudwatch.EnumValues); len(problems) > 0 {
			t.Fatalf("%x became %x: %v", data, first, problems)
		}
		if second, err := Encode(back, s); err != nil || !bytes.Equal(first, second) {
			t.Errorf("%x became %x and then %x", data, first, second)
		}
	})
}
