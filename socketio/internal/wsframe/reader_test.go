package wsframe

import (
	"bytes"
	"errors"
	"fmt"
	"testing"
)

// client returns a masked frame.
func client(first byte, payload string) []byte {
	f := AppendHeader(nil, 0, len(payload))
	f[0] = first
	f[1] |= maskBit
	key := [4]byte{1, 2, 3, 250}
	f = append(f, key[:]...)
	body := []byte(payload)
	Mask(body, key, 0)
	return append(f, body...)
}

// read feeds p in pieces of n bytes and returns the messages as text.
func read(p []byte, n int) (out string, err error) {
	r := Reader{Limit: 1000}
	for len(p) > 0 && err == nil {
		k := min(n, len(p))
		err = r.Feed(p[:k:k], func(op Op, payload []byte) error {
			out += fmt.Sprintf("%d:%x ", op, payload)
			return nil
		})
		p = p[k:]
	}
	return out, err
}

func TestRules(t *testing.T) {
	long := string(bytes.Repeat([]byte("x"), 300))
	for name, c := range map[string]struct {
		frames [][]byte
		want   string
		err    error
	}{
		"text":   {[][]byte{client(0x81, "hi"), client(0x81, "")}, "1:6869 1: ", nil},
		"medium": {[][]byte{client(0x82, long)}, fmt.Sprintf("2:%x ", long), nil},
		"fragments and a ping": {[][]byte{
			client(0x01, "a"), client(0x89, "p"), client(0x00, "b"), client(0x80, "c"),
		}, "9:70 1:616263 ", nil},
		"split rune":              {[][]byte{client(0x01, "\xc3"), client(0x80, "\xa9")}, "1:c3a9 ", nil},
		"broken text":             {[][]byte{client(0x81, "\xff")}, "", ErrUTF8},
		"too big":                 {[][]byte{client(0x82, long+long+long+long)}, "", ErrTooBig},
		"too big in fragments":    {[][]byte{client(0x02, long+long), client(0x80, long+long)}, "", ErrTooBig},
		"unmasked":                {[][]byte{AppendFrame(nil, Text, []byte("x"))}, "", ErrProtocol},
		"reserved bit":            {[][]byte{client(0xA1, "x")}, "", ErrProtocol},
		"compressed unasked":      {[][]byte{client(0xC1, "x")}, "", ErrProtocol},
		"unknown opcode":          {[][]byte{client(0x83, "x")}, "", ErrProtocol},
		"fragmented ping":         {[][]byte{client(0x09, "x")}, "", ErrProtocol},
		"long ping":               {[][]byte{client(0x89, long)}, "", ErrProtocol},
		"continuation of nothing": {[][]byte{client(0x80, "x")}, "", ErrProtocol},
		"text inside a message":   {[][]byte{client(0x01, "x"), client(0x81, "y")}, "", ErrProtocol},
		"absurd length": {
			[][]byte{{0x82, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1, 2, 3, 4}}, "", ErrTooBig,
		},
	} {
		all := bytes.Join(c.frames, nil)
		for _, n := range []int{1, 2, 7, len(all)} {
			if got, err := read(all, n); got != c.want || !errors.Is(err, c.err) {
				t.Errorf("%s in pieces of %d: %q, %v; want %q, %v", name, n, got, err, c.want, c.err)
			}
		}
	}
}

// The result does not depend on the pieces in which the bytes arrive.
func FuzzReader(f *testing.F) {
	f.Add(client(0x81, "hello"), 3)
	f.Add(append(client(0x01, "a"), client(0x80, "b")...), 1)
	f.Add([]byte{0x88, 0x82, 1, 2, 3, 4, 5, 6}, 5)
	f.Fuzz(func(t *testing.T, p []byte, n int) {
		if n < 1 {
			return
		}
		whole, err1 := read(p, max(1, len(p)))
		parts, err2 := read(p, n)
		if whole != parts || !errors.Is(err1, err2) {
			t.Fatalf("whole %q %v, in pieces of %d %q %v", whole, err1, n, parts, err2)
		}
	})
}

func TestMask(t *testing.T) {
	for n := range 40 {
		for offset := range 8 {
			key := [4]byte{9, 8, 7, 6}
			got := make([]byte, n)
			Mask(got, key, offset)
			for i, b := range got {
				if b != key[(offset+i)%4] {
					t.Fatalf("%d bytes from %d: %x", n, offset, got)
				}
			}
		}
	}
}
