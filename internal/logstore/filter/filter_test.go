package filter

import (
	"strings"
	"testing"
)

// The cases follow the examples of "Filter pattern syntax" in the Amazon CloudWatch Logs user guide.
func TestPatterns(t *testing.T) {
	const (
		bad400 = "[ERROR 400] BAD REQUEST"
		bad401 = "[ERROR 401] UNAUTHORIZED REQUEST"
		bad419 = "[ERROR 419] MISSING ARGUMENTS"
		warn   = "[WARN] few ARGUMENTS"
		json1  = `{"eventType":"UpdateTrail","sourceIPAddress":"111.111.111.111","latency":12.5,` +
			`"status":"503","tags":["a","b"],` +
			`"user":{"id":1,"email":"John.Stiles@example.com","odd ` +
			`name":"x"},"ok":true,"error":null,"list":[{"n":1},{"n":2}]}`
	)
	for _, c := range []struct {
		pattern string
		yes, no []string
	}{
		{"", []string{bad400, "", json1}, nil},
		{"ERROR", []string{bad400, bad401}, []string{warn, "error"}},
		{"ERROR ARGUMENTS", []string{bad419}, []string{bad400, warn}},
		{"?ERROR ?ARGUMENTS", []string{bad400, warn, bad419}, []string{"fine"}},
		{"ERROR -ARGUMENTS", []string{bad400}, []string{bad419, warn}},
		{"-ERROR", []string{warn}, []string{bad400}},
		{"?ERROR ARGUMENTS", []string{warn, bad419}, []string{bad400}}, // the ? term means nothing next to others
		{`"BAD REQUEST"`, []string{bad400}, []string{bad401, "REQUEST BAD"}},
		{`-"BAD REQUEST" ERROR`, []string{bad401}, []string{bad400}},
		{`"say \"hi\""`, []string{`they say "hi"`}, []string{"say hi"}},
		{"%AUTHORIZED%", []string{bad401}, []string{bad400}},
		{`%4[0-9][19]\]%`, []string{bad401, bad419}, []string{bad400}},
		{`{ $.eventType = "UpdateTrail" }`, []string{json1},
			[]string{bad400, `{"eventType":"x"}`, `{}`, `{"eventType"`}},
		{`{$.eventType="Update*"}`, []string{json1}, nil},
		{`{ $.eventType = UpdateTrail }`, []string{json1}, nil},
		{`{ $.sourceIPAddress != 123.123.* }`, []string{json1}, []string{`{"sourceIPAddress":"123.123.1.1"}`, `{}`}},
		{`{ $.latency > 12 && $.latency <= 12.5 }`, []string{json1}, []string{`{"latency":12}`, `{"latency":"x"}`}},
		{`{ $.status >= 500 }`, []string{json1}, []string{`{"status":404}`}},
		{`{ $.latency != 12.5 }`, []string{`{"latency":1}`}, []string{json1}},
		{`{ $.tags[0] = "a" }`, []string{json1}, []string{`{"tags":["b","a"]}`}},
		{`{ $.tags[*] = "b" }`, []string{json1}, []string{`{"tags":["c"]}`, `{"tags":"b"}`}},
		{`{ $.list[*].n = 2 }`, []string{json1}, []string{`{"list":[{"n":1}]}`}},
		{`{ $.user.id = 1 && ($.user.email = "x" || $.user.email = "John.*") }`, []string{json1}, nil},
		{`{ ($.user.id = 2 || $.ok IS TRUE) && $.error IS NULL }`, []string{json1}, []string{`{"ok":true,"error":1}`}},
		{`{ $.ok IS FALSE }`, []string{`{"ok":false}`}, []string{json1, `{}`}},
		{`{ $.missing NOT EXISTS }`, []string{json1}, []string{`{"missing":null}`, "text"}},
		{`{ $.user.id EXISTS }`, []string{json1}, []string{`{}`}},
		{`{ $.user['odd name'] = "x" }`, []string{json1}, nil},
		{`{ $.eventType = %^Up.*l$% }`, []string{json1}, []string{`{"eventType":"xUpdateTrail"}`}},
	} {
		p, err := Parse(c.pattern)
		if err != nil {
			t.Errorf("%s: %v", c.pattern, err)
			continue
		}
		for _, m := range c.yes {
			if !p(m) {
				t.Errorf("%s does not match %s", c.pattern, m)
			}
		}
		for _, m := range c.no {
			if p(m) {
				t.Errorf("%s matches %s", c.pattern, m)
			}
		}
	}
}

func TestBadPatterns(t *testing.T) {
	for pattern, want := range map[string]string{
		"foo-bar":                           "Invalid character(s) in term 'foo-bar'",
		`"open`:                             "is not closed",
		"%open":                             "is not closed",
		"%(a)%":                             "parentheses",
		"[ip, user]":                        "space-delimited",
		"{ $.a = 1":                         "not closed",
		"{ $.a }":                           "a comparison",
		"{ a = 1 }":                         "$.member",
		"{ $.a > x }":                       "a number",
		`{ $.a > "x" }`:                     "compares numbers",
		"{ $.a = 1 && }":                    "$.member",
		"{ ($.a = 1 }":                      "expected )",
		"{ $.a[x] = 1 }":                    "neither",
		"{ $.a IS MAYBE }":                  "NULL, TRUE or FALSE",
		"{" + strings.Repeat("(", 60):       "not closed",
		"{" + strings.Repeat("(", 60) + "}": "too many parentheses",
		strings.Repeat("a", MaxLength+1):    "the most are 1024",
	} {
		if _, err := Parse(pattern); err == nil || !strings.Contains(err.Error(), want) ||
			!strings.Contains(err.Error(), "InvalidParameterException") {
			t.Errorf("%.30s: %v, want %q", pattern, err, want)
		}
	}
}

func FuzzParse(f *testing.F) {
	f.Add(`{ $.a[0]['b'] = "x*" && ($.c IS NULL || $.d >= -1.5) }`, `{"a":[{"b":"xy"}],"d":1}`)
	f.Add(`?a -"b c" %d.*%`, "a b")
	f.Fuzz(func(t *testing.T, pattern, message string) {
		if p, err := Parse(pattern); err == nil {
			p(message)
		}
	})
}
