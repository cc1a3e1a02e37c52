package engineio

import (
	"bytes"
	"testing"
)

func FuzzDecodePayload(f *testing.F) {
	for _, s := range []string{"4hello\x1e4b", "bAQL/\x1e2", "", "\x1e", "b=", "4\xff", "1"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, body []byte) {
		var messages []*Message
		err := decodePayload(body, func(p packet) error {
			if p.kind < packetOpen || p.kind > packetNoop {
				t.Fatalf("packet type %q", p.kind)
			}
			if p.binary {
				messages = append(messages, Bytes(p.data))
			} else {
				messages = append(messages, control(p.kind, string(p.data)))
			}
			return nil
		})
		if err != nil {
			return
		}
		again := appendPayload(nil, messages)
		if !bytes.Equal(again, body) && !bytes.ContainsAny(body, "b") { // base64 has several forms
			t.Fatalf("%q was written as %q", body, again)
		}
	})
}

// A broadcast is encoded once, and all sessions get the same bytes.
func TestMessageForms(t *testing.T) {
	m := Seal(append(NewBuffer(3), "abc"...), []byte{1, 2}, nil)
	if want := "\x81\x04" + "4abc" + "\x82\x02\x01\x02" + "\x82\x00"; string(m.wire) != want {
		t.Fatalf("%q, want %q", m.wire, want)
	}
	if got := string(appendPayload(nil, []*Message{m, pingMessage})); got != "4abc\x1ebAQI=\x1eb\x1e2" {
		t.Fatalf("%q", got)
	}
	for _, n := range []int{124, 125, 65534, 65535, 70000} {
		m := Seal(append(NewBuffer(n), bytes.Repeat([]byte("x"), n)...))
		if p := m.parts[0]; p.end-p.start != n+1 || m.wire[p.start] != '4' || len(m.wire) != p.end {
			t.Fatalf("%d: %+v of %d", n, p, len(m.wire))
		}
	}
}
