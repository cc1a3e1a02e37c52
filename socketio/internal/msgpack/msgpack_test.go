package msgpack

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"strings"
	"testing"
)

// The bytes are the same as those that were captured from the JavaScript adapter (socketio.md 3.1).
func TestCapturedValues(t *testing.T) {
	for _, c := range []struct{ json, hex string }{
		{`["hello",1,"2",{"3":[true,null]}]`, "94a568656c6c6f01a13281a13392c3c0"},
		{`1.5`, "cb3ff8000000000000"},
		{`5000000000`, "cf000000012a05f200"},
		{`-33`, "d0df"},
		{`300`, "cd012c"},
		{`{"volatile":true}`, "81a8766f6c6174696c65c3"},
	} {
		got, err := AppendJSON(nil, []byte(c.json), nil)
		if err != nil || hex.EncodeToString(got) != c.hex {
			t.Errorf("%s became %x (%v), want %s", c.json, got, err, c.hex)
		}
		back, _, err := NewReader(got).JSON(nil, nil)
		if err != nil || string(back) != c.json {
			t.Errorf("%s came back as %s (%v)", c.json, back, err)
		}
	}
}

func TestBinaryAndDates(t *testing.T) {
	text := `["bin",{"_placeholder":true,"num":0},{"b":{"_placeholder":true,"num":1}}]`
	got, err := AppendJSON(nil, []byte(text), [][]byte{{1, 2, 3, 4}, {0xff}})
	if err != nil || hex.EncodeToString(got) != "93a362696ec4040102030481a162c401ff" {
		t.Fatalf("%x, %v", got, err)
	}
	back, attachments, err := NewReader(got).JSON(nil, nil)
	if err != nil || string(back) != text || len(attachments) != 2 || !bytes.Equal(attachments[1], []byte{0xff}) {
		t.Fatalf("%s %v %v", back, attachments, err)
	}
	date := []byte{0xd7, 0xff, 0x1d, 0x53, 0x53, 0x00, 0x65, 0x53, 0xf1, 0x00}
	back, _, err = NewReader(date).JSON(nil, nil)
	if err != nil || string(back) != `"2023-11-14T22:13:20.123Z"` {
		t.Fatalf("date %s, %v", back, err)
	}
	date = []byte{0xd7, 0x00, 0x00, 0x00, 0x01, 0x8b, 0xcf, 0xe5, 0x68, 0x7b} // as socket.io-msgpack-parser packs it
	back, _, err = NewReader(date).JSON(nil, nil)
	if err != nil || string(back) != `"2023-11-14T22:13:20.123Z"` {
		t.Fatalf("date %s, %v", back, err)
	}
}

func TestLargeIntegersAndKeyOrderSurvive(t *testing.T) {
	text := `{"z":9007199254740993,"a":-9223372036854775808,"m":18446744073709551615}`
	got, err := AppendJSON(nil, []byte(text), nil)
	if err != nil {
		t.Fatal(err)
	}
	if back, _, err := NewReader(got).JSON(nil, nil); err != nil || string(back) != text {
		t.Fatalf("%s, %v", back, err)
	}
}

// A length field without the data that it announces must not make the reader allocate much memory.
func TestHostileLengths(t *testing.T) {
	for _, h := range []string{"ddffffffff", "dfffffffff", "dbffffffff", "c6ffffffff", "c9ffffffffff", "91", "81a161"} {
		p, _ := hex.DecodeString(h)
		if _, _, err := NewReader(p).JSON(nil, nil); err == nil {
			t.Errorf("%s is accepted", h)
		}
	}
	deep := bytes.Repeat([]byte{0x91}, 5000)
	if _, _, err := NewReader(append(deep, 0xc0)).JSON(nil, nil); err == nil {
		t.Error("5000 levels are accepted")
	}
}

func FuzzReader(f *testing.F) {
	for _, h := range []string{"94a568656c6c6f01a13281a13392c3c0", "c4040102030481", "d7ff1d53530065 53f100",
		"cb3ff8000000000000", "82a161c0a162d0df"} {
		p, _ := hex.DecodeString(strings.ReplaceAll(h, " ", ""))
		f.Add(p)
	}
	f.Fuzz(func(t *testing.T, p []byte) {
		text, attachments, err := NewReader(p).JSON(nil, nil)
		if err != nil {
			return
		}
		if !json.Valid(text) {
			t.Fatalf("%x became %s", p, text)
		}
		again, err := AppendJSON(nil, text, attachments)
		if err != nil {
			t.Fatalf("%s cannot be written: %v", text, err)
		}
		if _, _, err := NewReader(again).JSON(nil, nil); err != nil {
			t.Fatalf("%s was written as %x, which cannot be read: %v", text, again, err)
		}
	})
}

// A map that looks like a placeholder is ordinary data, unless there are attachments.
func TestMapsThatLookLikePlaceholders(t *testing.T) {
	for text, want := range map[string]string{
		`[{"_placeholder":true,"num":0}]`:                               `[{"_placeholder":true,"num":0}]`,
		`[{"_placeholder":true,"num":7},"x"]`:                           `[{"_placeholder":true,"num":7},"x"]`,
		`[{"num":0,"_placeholder":true},1,{"_placeholder":true},"bin"]`: `[null,1,null,{"_placeholder":true,"num":0}]`,
		`[{"a":{"num":{"_placeholder":true},"_placeholder":true},"b":1},"bin"]`: `[{"a":null,"b":1},` +
			`{"_placeholder":true,"num":0}]`,
		`[{"_placeholder":false,"num":0},"bin"]`: `[{"_placeholder":false,"num":0},{"_placeholder":true,"num":0}]`,
	} {
		raw, err := AppendJSON(nil, []byte(text), nil)
		if err != nil {
			t.Fatal(err)
		}
		raw = bytes.Replace(raw, AppendString(nil, "bin"), AppendBinary(nil, []byte("bin")), 1)
		if got, _, err := NewReader(raw).JSON(nil, nil); err != nil || string(got) != want {
			t.Errorf("%s: %s %v", text, got, err)
		}
	}
}
