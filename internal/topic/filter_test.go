package topic

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func text(s string) Attribute   { return Attribute{Type: "String", String: s} }
func number(s string) Attribute { return Attribute{Type: "Number", String: s} }
func list(s string) Attribute   { return Attribute{Type: "String.Array", String: s} }

// The rows are the examples of AWS's documentation, and the borders between them.
func TestFilterPolicies(t *testing.T) {
	for _, c := range []struct {
		policy string
		value  *Attribute // of the attribute x; nil if the message has none
		want   bool
	}{
		{`{"x":["rugby"]}`, new(text("rugby")), true},
		{`{"x":["rugby"]}`, new(text("Rugby")), false},
		{`{"x":["rugby","tennis"]}`, new(text("tennis")), true},
		{`{"x":["rugby"]}`, nil, false},
		{`{"x":["rugby"]}`, new(list(`["golf","rugby"]`)), true},
		{`{"x":["rugby"]}`, new(list(`["golf"]`)), false},
		{`{"x":["rugby"]}`, new(list(`rugby`)), true},
		{`{"x":[{"prefix":"bas"}]}`, new(text("baseball")), true},
		{`{"x":[{"prefix":"bas"}]}`, new(text("rugby")), false},
		{`{"x":[{"suffix":"ball"}]}`, new(text("baseball")), true},
		{`{"x":[{"suffix":"ball"}]}`, new(text("balls")), false},
		{`{"x":[{"equals-ignore-case":"tennis"}]}`, new(text("TENNIS")), true},
		{`{"x":[{"equals-ignore-case":"tennis"}]}`, new(text("TENNI")), false},
		{`{"x":[{"anything-but":["rugby","tennis"]}]}`, new(text("baseball")), true},
		{`{"x":[{"anything-but":["rugby","tennis"]}]}`, new(text("rugby")), false},
		{`{"x":[{"anything-but":"rugby"}]}`, new(list(`["rugby"]`)), false},
		{`{"x":[{"anything-but":["rugby"]}]}`, new(list(`["rugby","golf"]`)), true},
		{`{"x":[{"anything-but":[100,500]}]}`, new(number("101")), true},
		{`{"x":[{"anything-but":[100,500]}]}`, new(number("100")), false},
		{`{"x":[{"anything-but":{"prefix":"order-"}}]}`, new(text("order-1")), false},
		{`{"x":[{"anything-but":{"prefix":"order-"}}]}`, new(text("data")), true},
		{`{"x":[{"anything-but":{"suffix":"ball"}}]}`, new(text("baseball")), false},
		{`{"x":[{"anything-but":["rugby"]}]}`, nil, false},
		{`{"x":[{"exists":true}]}`, new(text("a")), true},
		{`{"x":[{"exists":true}]}`, nil, false},
		{`{"x":[{"exists":false}]}`, nil, true},
		{`{"x":[{"exists":false}]}`, new(text("a")), false},
		{`{"x":[100]}`, new(number("100.0")), true},
		{`{"x":[100]}`, new(text("100")), false},
		{`{"x":["100"]}`, new(number("100")), false},
		{`{"x":[{"numeric":["=",301.5]}]}`, new(number("301.5")), true},
		{`{"x":[{"numeric":["=",301.5]}]}`, new(number("301.4")), false},
		{`{"x":[{"numeric":["<",0]}]}`, new(number("-1")), true},
		{`{"x":[{"numeric":["<",0]}]}`, new(number("0")), false},
		{`{"x":[{"numeric":[">",0,"<=",150]}]}`, new(number("150")), true},
		{`{"x":[{"numeric":[">",0,"<=",150]}]}`, new(number("0")), false},
		{`{"x":[{"numeric":[">=",0,"<",150]}]}`, new(number("0")), true},
		{`{"x":[{"numeric":[">=",0,"<",150]}]}`, new(number("150")), false},
		{`{"x":[{"numeric":[">=",0]}]}`, new(text("7")), false},
		{`{"x":[{"prefix":"1"}]}`, new(number("100")), false},
		{`{"x":[7,null,true]}`, new(list(`[7]`)), true},
		{`{"x":[null]}`, new(list(`[null]`)), true},
		{`{"x":[true]}`, new(list(`[true]`)), true},
		{`{"x":["a"]}`, &Attribute{Type: "Binary", Binary: []byte("a")}, false},
		{`{"x":["a"],"y":["b"]}`, new(text("a")), false}, // every name must match
		{`{}`, nil, true},
	} {
		policy, err := ParseFilterPolicy(c.policy)
		if err != nil {
			t.Errorf("%s: %v", c.policy, err)
			continue
		}
		attributes := map[string]Attribute{}
		if c.value != nil {
			attributes["x"] = *c.value
		}
		if got := policy.Accepts(attributes); got != c.want {
			t.Errorf("%s accepts %v: %t, want %t", c.policy, c.value, got, c.want)
		}
	}
}

func TestFilterPoliciesThatAreRefused(t *testing.T) {
	for policy, want := range map[string]string{
		`[`:                                   "failed to parse JSON",
		`[]`:                                  "failed to parse JSON",
		`{} {}`:                               "followed by other text",
		`{"x":"a"}`:                           `"x" must be a list`,
		`{"x":{"y":["a"]}}`:                   `"x" must be a list`,
		`{"x":[]}`:                            "must not be empty",
		`{"x":[["a"]]}`:                       "neither a value nor an object",
		`{"x":[{"prefix":"a","suffix":"b"}]}`: "neither a value nor an object",
		`{"x":[{"wildcard":"a*"}]}`:           "Unrecognized match type wildcard",
		`{"x":[{"cidr":"10.0.0.0/8"}]}`:       "Unrecognized match type cidr",
		`{"x":[{"prefix":""}]}`:               "not empty",
		`{"x":[{"prefix":1}]}`:                "not empty",
		`{"x":[{"exists":"a"}]}`:              "cannot unmarshal",
		`{"x":[{"numeric":["<"]}]}`:           "one or two operators",
		`{"x":[{"numeric":["~",1]}]}`:         "one or two operators",
		`{"x":[{"numeric":["<","1"]}]}`:       "one or two operators",
		`{"x":[{"anything-but":[]}]}`:         "anything-but must have",
		`{"x":[{"anything-but":[["a"]]}]}`:    "must be a value",
		`{"x":[{"anything-but":{"prefix":"a","suffix":"b"}}]}`:                 "anything-but must have",
		`{"a":["1"],"b":["1"],"c":["1"],"d":["1"],"e":["1"],"f":["1"]}`:        "more than 5 keys",
		`{"x":[` + strings.TrimSuffix(strings.Repeat(`"a",`, 151), ",") + `]}`: "too complex",
	} {
		if _, err := ParseFilterPolicy(policy); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.80s: %v, want %s", policy, err, want)
		}
	}
}

// Whether a subscription wants a message follows from its policy; without one it wants all.
func TestWants(t *testing.T) {
	p := &Publication{Attributes: map[string]Attribute{"x": text("a")}}
	for policy, want := range map[string]bool{"": true, `{"x":["a"]}`: true, `{"x":["b"]}`: false, `[`: false} {
		if (&Subscription{FilterPolicy: policy}).Wants(p) != want {
			t.Errorf("%s: want %t", policy, want)
		}
	}
}

// A value is accepted by a list exactly if it is in it, and by anything-but exactly if it is not.
func TestFilterAndItsOpposite(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		values := rapid.SliceOfN(rapid.StringMatching(`[a-c]{1,2}`), 1, 4).Draw(t, "values")
		one := rapid.StringMatching(`[a-c]{1,2}`).Draw(t, "one")
		quoted := make([]string, len(values))
		in := false
		for i, v := range values {
			quoted[i] = fmt.Sprintf("%q", v)
			in = in || v == one
		}
		all := strings.Join(quoted, ",")
		for policy, want := range map[string]bool{
			`{"x":[` + all + `]}`:                    in,
			`{"x":[{"anything-but":[` + all + `]}]}`: !in,
		} {
			f, err := ParseFilterPolicy(policy)
			if err != nil || f.Accepts(map[string]Attribute{"x": text(one)}) != want {
				t.Fatalf("%s and %q: want %t, %v", policy, one, want, err)
			}
		}
	})
}

// Whatever a user writes, reading it ends with a policy or an error.
func FuzzFilterPolicy(f *testing.F) {
	f.Add(`{"x":["a",{"numeric":[">",1]}]}`, "1")
	f.Add(`{"x":[{"anything-but":{"prefix":"a"}}]}`, "abc")
	f.Fuzz(func(t *testing.T, policy, value string) {
		p, err := ParseFilterPolicy(policy)
		if err != nil {
			return
		}
		for _, kind := range []string{"String", "Number", "String.Array", "Binary"} {
			p.Accepts(map[string]Attribute{"x": {Type: kind, String: value}})
		}
	})
}
