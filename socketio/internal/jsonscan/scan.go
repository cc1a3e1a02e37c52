// Package jsonscan finds the ends of JSON values and checks their grammar without decoding them.
//
// A Socket.IO server passes most arguments on without decoding them. They must be valid JSON, because otherwise one
// client could make the parsers of all others fail. The package allocates no memory. It does not check that text is
// UTF-8, because the transport has checked that.
package jsonscan

import (
	"encoding/binary"
	"errors"
	"math/bits"
)

// ErrSyntax is returned for text that is not JSON, and for values that are nested more deeply than MaxDepth.
var ErrSyntax = errors.New("jsonscan: not JSON")

// MaxDepth is how deeply arrays and objects may be nested.
const MaxDepth = 1000

// Value checks the value that starts at p[i], after optional white space, and returns the index after its end.
func Value(p []byte, i int) (int, error) { return value(p, i, 0) }

// Valid reports whether p is exactly one value. White space around it is allowed.
func Valid(p []byte) bool {
	end, err := Value(p, 0)
	return err == nil && Space(p, end) == len(p)
}

// Space returns the index of the first byte from i on that is not white space.
func Space(p []byte, i int) int {
	for i < len(p) && (p[i] == ' ' || p[i] == '\n' || p[i] == '\t' || p[i] == '\r') {
		i++
	}
	return i
}

func value(p []byte, i, depth int) (int, error) {
	i = Space(p, i)
	if i >= len(p) || depth > MaxDepth {
		return i, ErrSyntax
	}
	switch c := p[i]; c {
	case '"':
		return String(p, i)
	case '{':
		return members(p, i+1, '}', depth+1)
	case '[':
		return members(p, i+1, ']', depth+1)
	case 't':
		return literal(p, i, "true")
	case 'f':
		return literal(p, i, "false")
	case 'n':
		return literal(p, i, "null")
	default:
		return number(p, i)
	}
}

// members checks an object or array from the byte after its opening bracket to its closing bracket, and returns the
// index after that.
func members(p []byte, i int, closing byte, depth int) (int, error) {
	if i = Space(p, i); i < len(p) && p[i] == closing {
		return i + 1, nil
	}
	for {
		var err error
		if closing == '}' {
			if i = Space(p, i); i >= len(p) || p[i] != '"' {
				return i, ErrSyntax
			}
			if i, err = String(p, i); err != nil {
				return i, err
			}
			if i = Space(p, i); i >= len(p) || p[i] != ':' {
				return i, ErrSyntax
			}
			i++
		}
		if i, err = value(p, i, depth); err != nil {
			return i, err
		}
		if i = Space(p, i); i >= len(p) {
			return i, ErrSyntax
		}
		switch p[i] {
		case closing:
			return i + 1, nil
		case ',':
			i++
		default:
			return i, ErrSyntax
		}
	}
}

// String checks the string whose opening quote is p[i], and returns the index after its closing quote.
func String(p []byte, i int) (int, error) {
	i++
	for {
		i = plain(p, i)
		if i >= len(p) {
			return i, ErrSyntax
		}
		switch c := p[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			n := escape(p[i+1:])
			if n == 0 {
				return i, ErrSyntax
			}
			i += 1 + n
		default: // a control character
			return i, ErrSyntax
		}
	}
}

// plain returns the index of the first byte from i on that is a quote, a backslash or a control character. It looks at
// eight bytes at a time.
func plain(p []byte, i int) int {
	const ones, highs = 0x0101010101010101, 0x8080808080808080
	for ; len(p)-i >= 8; i += 8 {
		w := binary.LittleEndian.Uint64(p[i:])
		quote := w ^ ones*'"'
		slash := w ^ ones*'\\'
		// The lowest byte whose high bit is set is one of those. Higher ones may be wrong, because of carries, and are
		// not used.
		hit := ((quote - ones) & ^quote) | ((slash - ones) & ^slash) | ((w - ones*0x20) & ^w)
		if hit &= highs; hit != 0 {
			return i + bits.TrailingZeros64(hit)/8
		}
	}
	for i < len(p) && p[i] != '"' && p[i] != '\\' && p[i] >= 0x20 {
		i++
	}
	return i
}

// escape returns the length of the escape sequence that p starts with, without its backslash, or 0 if there is none.
func escape(p []byte) int {
	if len(p) == 0 {
		return 0
	}
	switch p[0] {
	case '"', '\\', '/', 'b', 'f', 'n', 'r', 't':
		return 1
	case 'u':
		if len(p) < 5 {
			return 0
		}
		for _, c := range p[1:5] {
			if (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'f') {
				return 0
			}
		}
		return 5
	}
	return 0
}

func literal(p []byte, i int, word string) (int, error) {
	if len(p)-i < len(word) || string(p[i:i+len(word)]) != word {
		return i, ErrSyntax
	}
	return i + len(word), nil
}

func number(p []byte, i int) (int, error) {
	if i < len(p) && p[i] == '-' {
		i++
	}
	switch start := i; {
	case i < len(p) && p[i] == '0':
		i++
	default:
		if i = digits(p, i); i == start {
			return i, ErrSyntax
		}
	}
	if i < len(p) && p[i] == '.' {
		start := i + 1
		if i = digits(p, start); i == start {
			return i, ErrSyntax
		}
	}
	if i < len(p) && p[i]|0x20 == 'e' {
		i++
		if i < len(p) && (p[i] == '+' || p[i] == '-') {
			i++
		}
		start := i
		if i = digits(p, i); i == start {
			return i, ErrSyntax
		}
	}
	return i, nil
}

func digits(p []byte, i int) int {
	for i < len(p) && p[i] >= '0' && p[i] <= '9' {
		i++
	}
	return i
}
