package xmlwire

import (
	"bytes"
	"math"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/schema"
)

type inner struct {
	Name *string `xml:"name"`
}

type sample struct {
	Text    *string           `xml:"text"`
	Yes     *bool             `xml:"yes"`
	Number  *int64            `xml:"number"`
	Ratio   *float64          `xml:"ratio"`
	At      *time.Time        `xml:"at"`
	Bytes   []byte            `xml:"bytes"`
	Enum    string            `xml:"enum" enum:"E"`
	Inner   *inner            `xml:"inner"`
	Wrapped []inner           `xml:"wrapped,item=item,omitempty"`
	Always  []string          `xml:"always,item=item"`
	Flat    []string          `xml:"flat,flat"`
	Map     map[string]string `xml:"map,entry=entry,key=key,value=value"`
	NotHere *string           `query:"NotHere"`
}

func TestEncode(t *testing.T) {
	var cache schema.Cache
	s, err := cache.Of(reflect.TypeFor[sample]())
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		in   sample
		want string
	}{
		{sample{}, ""},
		{sample{NotHere: new("x")}, ""},
		{sample{Text: new("")}, "<text></text>"}, // empty is not absent
		{sample{Text: new("<a> & \"b\"\n\x00")}, "<text>&lt;a&gt; &amp; &#34;b&#34;&#xA;\uFFFD</text>"},
		{sample{Yes: new(false), Number: new(int64(-1))}, "<yes>false</yes><number>-1</number>"},
		{sample{Ratio: new(1e21)}, "<ratio>1000000000000000000000</ratio>"},
		{sample{Ratio: new(math.Inf(-1))}, "<ratio>-Infinity</ratio>"},
		{sample{Ratio: new(math.NaN())}, "<ratio>NaN</ratio>"},
		{sample{At: new(time.Date(2026, 11, 23, 1, 55, 38, 5_999_999, time.FixedZone("", 3600)))},
			"<at>2026-11-23T00:55:38.005Z</at>"},
		{sample{Bytes: []byte("hello"), Enum: "a"}, "<bytes>aGVsbG8=</bytes><enum>a</enum>"},
		{sample{Inner: &inner{}}, "<inner></inner>"},
		{sample{Wrapped: []inner{}}, "<wrapped></wrapped>"},
		{sample{Wrapped: []inner{{new("a")}, {}}}, "<wrapped><item><name>a</name></item><item></item></wrapped>"},
		{sample{Flat: []string{"a", "b"}}, "<flat>a</flat><flat>b</flat>"},
		{sample{Map: map[string]string{"b": "2", "a": "1"}},
			"<map><entry><key>a</key><value>1</value></entry><entry><key>b</key><value>2</value></entry></map>"},
	} {
		var b bytes.Buffer
		Encode(&b, reflect.ValueOf(c.in), s)
		// A list that is absent is written as an empty one.
		if got := strings.Replace(b.String(), "<always></always>", "", 1); got != c.want || len(got) == b.Len() {
			t.Errorf("%s, want %s", b.String(), c.want)
		}
	}
}
