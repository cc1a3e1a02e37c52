package quote_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/quote"
)

func TestText(t *testing.T) {
	for in, want := range map[string]string{
		"":                          "",
		"web-1 läuft, 東京\u3000🚢":    "web-1 läuft, 東京\u3000🚢",
		`C:\dir "x"`:                `C:\dir "x"`,
		"\x1b[31mred\x1b]0;owned\a": `\x1b[31mred\x1b]0;owned\a`,
		"a\nb\r\tc":                 `a\nb\r\tc`,
		"csi \u009b2J":              `csi \u009b2J`,
		"raw \x9b2J \xff":           `raw \x9b2J \xff`,
		"del \x7f nul \x00":         `del \x7f nul \x00`,
		"txt\u202egnp.exe":          `txt\u202egnp.exe`,
		"line\u2028end":             `line\u2028end`,
		"\U000e0041":                `\U000e0041`,
	} {
		if got := quote.Text(in); got != want {
			t.Errorf("Text(%q) = %q, want %q", in, got, want)
		}
	}
	if got, want := quote.Lines("a\n\tb\x1b[2J\r\n"), "a\n\tb"+`\x1b[2J\r`+"\n"; got != want {
		t.Errorf("Lines: %q, want %q", got, want)
	}
}

func TestFprintf(t *testing.T) {
	var b strings.Builder
	n, err := quote.Fprintf(&b, "%s|%5d|%-4s|%q|%v|%v|%[1]s\n", "a\x1bb", 7, "x", "y\x1b",
		errors.New("e\nf"), []string{"\a"})
	if want := `a\x1bb|    7|x   |"y\x1b"|e\nf|[\a]|a\x1bb` + "\n"; b.String() != want || n != len(want) || err != nil {
		t.Errorf("%q, %d, %v; want %q", b.String(), n, err, want)
	}
	if _, err := quote.Fprintf(broken{}, "%s", "x"); err == nil {
		t.Error("the writer's error is lost")
	}
}

type broken struct{}

func (broken) Write([]byte) (int, error) { return 0, errors.New("broken") }

func FuzzText(f *testing.F) {
	f.Add("\x1b[0m")
	f.Fuzz(func(t *testing.T, s string) {
		out := quote.Text(s)
		for _, r := range out {
			if !unicode.IsGraphic(r) {
				t.Fatalf("%q has %q", out, r)
			}
		}
		if !utf8.ValidString(out) || quote.Text(out) != out || fmt.Sprint(quote.Text(out)) != out {
			t.Fatalf("Text(%q) = %q is not stable", s, out)
		}
	})
}

func TestJSON(t *testing.T) {
	for _, in := range []string{"plain ü", "\x1b[0m\x7f\u009b\u202e\u2028\U000e0041\n\t\\", "\xff"} {
		text, err := json.MarshalIndent(map[string]string{"a": in}, "", "\t")
		if err != nil {
			t.Fatal(err)
		}
		quoted := quote.JSON(text)
		for _, r := range string(quoted) {
			if !unicode.IsGraphic(r) && r != '\n' && r != '\t' {
				t.Errorf("%q has %q", quoted, r)
			}
		}
		var back map[string]string
		if err := json.Unmarshal(quoted, &back); err != nil || back["a"] != strings.ToValidUTF8(in, "\ufffd") {
			t.Errorf("%q is read back as %q, %v", in, back, err)
		}
	}
}
