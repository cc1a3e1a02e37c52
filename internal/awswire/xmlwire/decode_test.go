package xmlwire

import (
	"bytes"
	"reflect"
	"strings"
	"testing"
	"unicode/utf8"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire/schema"
	"github.com/berthhq/berth/internal/awswire/schema/schematest"
	"github.com/berthhq/berth/internal/awswire/shape/route53"
)

var cache schema.Cache

// samples are shapes that are read as well as written, and one with every kind of member.
var samples = []reflect.Type{
	reflect.TypeFor[route53.ChangeBatch](), reflect.TypeFor[route53.CreateHostedZoneOutput](),
	reflect.TypeFor[route53.ListResourceRecordSetsOutput](), reflect.TypeFor[sample](),
}

func structOf(t interface{ Fatal(...any) }, typ reflect.Type) *schema.Struct {
	s, err := cache.Of(typ)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func write(v reflect.Value, s *schema.Struct) []byte {
	var b bytes.Buffer
	b.WriteString("<Root>")
	Encode(&b, v, s)
	b.WriteString("</Root>")
	return b.Bytes()
}

// Decoding an encoded value gives the same value, except that nil lists become empty ones. Characters that
// are not allowed in XML are written as U+FFFD, so values with one differ.
func TestRoundTrip(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom(samples).Draw(t, "shape")
		s := structOf(t, typ)
		v := reflect.New(typ).Elem()
		schematest.Draw(t, v, s, 6)
		text := write(v, s)
		back := reflect.New(typ).Elem()
		if problems := Decode(text, back, s, nil); len(problems) > 0 {
			t.Fatalf("%v in %s", problems, text)
		}
		if again := write(back, s); !bytes.Equal(text, again) && !bytes.ContainsRune(text, utf8.RuneError) {
			t.Fatalf("%s became %s", text, again)
		}
	})
}

func TestDecodeProblems(t *testing.T) {
	s := structOf(t, reflect.TypeFor[sample]())
	for text, want := range map[string]struct {
		kind schema.ProblemKind
		at   string
	}{
		`<R>`:                                 {schema.Malformed, ""},
		`<R/><R/>`:                            {schema.Malformed, ""},
		`x`:                                   {schema.Malformed, ""},
		`<!DOCTYPE a [<!ENTITY b "c">]><R/>`:  {schema.Malformed, ""},
		`<R><text>&b;</text></R>`:             {schema.Malformed, ""},
		strings.Repeat("<R>", 1000):           {schema.Malformed, ""},
		`<R>text</R>`:                         {schema.WrongType, ""},
		`<R><txt>a</txt></R>`:                 {schema.Unknown, "txt"},
		`<R><text>a</text><text>b</text></R>`: {schema.Malformed, "text"},
		`<R><text><b/></text></R>`:            {schema.Unknown, "text.b"},
		`<R><number>x</number></R>`:           {schema.WrongType, "number"},
		`<R><always><thing>a</thing></always></R>`:  {schema.Unknown, "always.thing"},
		`<R><always>a</always></R>`:                 {schema.WrongType, "always"},
		`<R><inner><nme/></inner></R>`:              {schema.Unknown, "inner.nme"},
		`<R><map><entry><k>a</k></entry></map></R>`: {schema.Unknown, "map[0].k"},
	} {
		problems := Decode([]byte(text), reflect.New(reflect.TypeFor[sample]()).Elem(), s, nil)
		if len(problems) != 1 || problems[0].Kind != want.kind || problems[0].Path.String() != want.at {
			t.Errorf("%.60s: %+v, want kind %d at %q", text, problems, want.kind, want.at)
		}
	}
}

// The decoder panics for no input. Values that it accepts without a problem can be encoded, and decoded again
// to the same values.
func FuzzDecode(f *testing.F) {
	f.Add([]byte(`<C><Changes><Change><Action>UPSERT</Action></Change></Changes></C>`), uint8(0))
	f.Add([]byte(`<R><flat>a</flat><flat>b</flat><map><entry><key>a</key><value>1</value></entry></map></R>`), uint8(3))
	f.Add([]byte(`<R><at>2026-11-23</at><ratio>1e400</ratio>`), uint8(3))
	f.Fuzz(func(t *testing.T, text []byte, which uint8) {
		typ := samples[int(which)%len(samples)]
		s := structOf(t, typ)
		v := reflect.New(typ).Elem()
		if problems := Decode(text, v, s, route53.EnumValues); len(problems) > 0 {
			return
		}
		s.Check(v, schema.XML, nil)
		first := write(v, s)
		back := reflect.New(typ).Elem()
		if problems := Decode(first, back, s, route53.EnumValues); len(problems) > 0 {
			t.Fatalf("%s became %s: %v", text, first, problems)
		}
		if second := write(back, s); !bytes.Equal(first, second) {
			t.Errorf("%s became %s and then %s", text, first, second)
		}
	})
}
