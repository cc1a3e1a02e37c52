package packet

import (
	"bytes"
	"strings"
	"testing"
)

// Single packets are accepted or refused as by the official server (socketio.md 1.2).
func TestDecodeOddInput(t *testing.T) {
	for text, ok := range map[string]bool{
		`0`: true, `0{"a":1}`: true, `0/custom`: true, `0/custom,`: true, `0/c,{"t":1}`: true,
		`0[1]`: false, `0"s"`: false, `0null`: false,
		`1`: true, `1/custom`: true, `1{}`: false,
		`2`: true, `2[`: false, `2{"a":1}`: false, `2["message"`: false, `2["a"]x`: false,
		`3`: true, `399["x"]`: true, `3{}`: false,
		`7`: false, ``: false, `x`: false,
		`50-["a"]`: false, `5["a"]`: false, `5x-["a"]`: false, `51-`: false,
		`510-["a",1]`: true, `511-["a",1]`: false,
		`29007199254740993["a"]`: true, `299999999999999999999["a"]`: false,
	} {
		if _, err := Decode([]byte(text)); (err == nil) != ok {
			t.Errorf("Decode(%q) = %v, want ok %v", text, err, ok)
		}
	}
}

func TestNameAndArguments(t *testing.T) {
	for text, want := range map[string][2]string{
		`["a",1,{"b":[2]}]`:  {"a", `1,{"b":[2]}`},
		` [ "a" , 1 , 2 ] `:  {"a", `1 , 2`},
		`["a"]`:              {"a", ``},
		`[1,"x"]`:            {"1", `"x"`},
		`["a\u0062\"",null]`: {`ab"`, `null`},
		`["]",["]"],"]"]`:    {"]", `["]"],"]"`},
	} {
		p, err := Decode([]byte("2" + text))
		if err != nil {
			t.Fatal(text, err)
		}
		name, args, err := p.Name()
		if err != nil || string(name) != want[0] || string(args) != want[1] {
			t.Errorf("%s: %q %q %v, want %q", text, name, args, err, want)
		}
	}
	for _, text := range []string{
		`[]`, `[null]`, `[true,1]`, `[["a"]]`, `["connect"]`, `["disconnecting",1]`, `["\u0063onnect"]`,
	} {
		p, err := Decode([]byte("2" + text))
		if err == nil {
			_, _, err = p.Name()
		}
		if err == nil {
			t.Errorf("%s is accepted as an event", text)
		}
	}
}

// Ids are JavaScript numbers (socketio.md 1.2).
func TestIDsAreRounded(t *testing.T) {
	p, err := Decode([]byte(`29007199254740993["a"]`))
	if err != nil || p.ID != 9007199254740992 {
		t.Fatalf("id %d, %v", p.ID, err)
	}
}

func FuzzDecode(f *testing.F) {
	for _, s := range []string{`2["a",1]`, `2/n,12["a",{"b":"c"}]`,
		`51-/n,["a",{"_placeholder":true,"num":0}]`, `0/x,{"t":1}`, `31[]`, `1/a`} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := Decode([]byte(s))
		if err != nil {
			return
		}
		if p.Type == Event || p.Type == BinaryEvent {
			if len(p.Data) > 0 {
				_, _, _ = p.Name()
			}
		}
		if p.Type == Ack || p.Type == BinaryAck {
			_ = p.Args()
		}
		again, err := Decode(Append(nil, &p))
		if err != nil {
			t.Fatalf("%q does not survive being written: %v", s, err)
		}
		if again.Namespace != p.Namespace || again.ID != p.ID || !bytes.Equal(again.Data, p.Data) ||
			again.Attachments != p.Attachments {
			t.Fatalf("%q became %+v, then %+v", s, p, again)
		}
	})
}

func BenchmarkDecode1K(b *testing.B) {
	text := []byte(`2["echo","` + strings.Repeat("x", 1024) + `"]`)
	b.ReportAllocs()
	for b.Loop() {
		p, err := Decode(text)
		if err != nil {
			b.Fatal(err)
		}
		if _, _, err = p.Name(); err != nil {
			b.Fatal(err)
		}
	}
}
