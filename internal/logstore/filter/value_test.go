package filter

import (
	"slices"
	"testing"
)

func TestSelectors(t *testing.T) {
	for pattern, want := range map[string][]string{
		"ERROR": nil, "": nil, "{ $.a = 1 }": {"$.a"},
		`{ ($.b.c = "$.x") && $.a[0].d EXISTS || $.a[0].d = 2 }`: {"$.a[0].d", "$.b.c"},
		`{ $['odd name'] = * && $ }`:                             {"$['odd name']"},
	} {
		if got := Selectors(pattern); !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", pattern, got, want)
		}
	}
}

func TestSelectorText(t *testing.T) {
	m := NewMessage(`{"a":"x","n":1.50,"t":true,"o":{"b":["p","q"]},"null":null,"e":{}}`)
	for selector, want := range map[string]string{
		"$.a": "x", "$.n": "1.50", "$.t": "true", "$.o.b[1]": "q", "$.o.b[*]": "p",
		"$.null": "", "$.e": "", "$.none": "", "$.a.b": "",
	} {
		s, err := ParseSelector(selector)
		if err != nil {
			t.Fatal(err)
		}
		if got, ok := s.Text(m); got != want || ok != (want != "") {
			t.Errorf("%s: %q %t, want %q", selector, got, ok, want)
		}
	}
	s, err := ParseSelector("$.a")
	if err != nil {
		t.Fatal(err)
	}
	if text, ok := s.Text(NewMessage("no JSON")); ok {
		t.Errorf("selected %q", text)
	}
	for _, selector := range []string{"", "a", "$", "$.", "$.a = 1", "$.a[x]"} {
		if _, err := ParseSelector(selector); err == nil {
			t.Errorf("%q is accepted", selector)
		}
	}
}

func FuzzSelectors(f *testing.F) {
	f.Add(`{ $.a = "b" && $.c[0] > 1 }`)
	f.Fuzz(func(t *testing.T, pattern string) {
		for _, s := range Selectors(pattern) {
			if _, err := ParseSelector(s); err != nil {
				t.Errorf("%q of %q: %v", s, pattern, err)
			}
		}
	})
}
