package jsonscan

import (
	"encoding/json"
	"strings"
	"testing"
)

func FuzzValid(f *testing.F) {
	for _, s := range []string{`{"a":[1,-2.5e3,"x\u00e9\n",true,null]}`, `[]`, ` "x" `, `01`, `1.`,
		`"` + strings.Repeat("é", 20) + `"`, "\"a\x01\"", `{"a"}`, `"1234567\"89"`, `[1,]`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		if got, want := Valid([]byte(s)), json.Valid([]byte(s)); got != want {
			t.Errorf("Valid(%q) = %v, encoding/json says %v", s, got, want)
		}
	})
}

func TestDepthIsBounded(t *testing.T) {
	ok := strings.Repeat("[", MaxDepth) + strings.Repeat("]", MaxDepth)
	deep := strings.Repeat("[", MaxDepth+2) + strings.Repeat("]", MaxDepth+2)
	if !Valid([]byte(ok)) || Valid([]byte(deep)) {
		t.Fatalf("depth %d must pass and %d must not", MaxDepth, MaxDepth+2)
	}
}

func BenchmarkString1K(b *testing.B) {
	p := []byte(`"` + strings.Repeat("x", 1022) + `"`)
	b.SetBytes(int64(len(p)))
	for b.Loop() {
		if _, err := Value(p, 0); err != nil {
			b.Fatal(err)
		}
	}
}

func TestAppendString(t *testing.T) {
	for b := range 0x80 {
		in := "é" + string(rune(b)) + "x"
		var out string
		if err := json.Unmarshal(AppendString(nil, []byte(in)), &out); err != nil || out != in {
			t.Errorf("%q became %q: %v", in, out, err)
		}
	}
}

func BenchmarkAppendString1K(b *testing.B) {
	s := strings.Repeat("x", 1022)
	b.SetBytes(int64(len(s)))
	var dst []byte
	for b.Loop() {
		dst = AppendString(dst[:0], []byte(s))
	}
}
