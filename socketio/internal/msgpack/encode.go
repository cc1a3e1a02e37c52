// Package msgpack translates between MessagePack, which JavaScript servers use between each other, and JSON with
// placeholders for binary data, which this server uses. It translates bytes to bytes, so the order of keys and large
// integers are kept.
//
// It is pure, and safe for input of others: it does not allocate memory just because a length field says so.
package msgpack

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"errors"
	"math"
	"slices"
	"strconv"

	"github.com/berthhq/berth/socketio/internal/jsonscan"
)

// ErrInvalid is returned for input that is not valid MessagePack or JSON, or has another type than was asked for.
var ErrInvalid = errors.New("msgpack: invalid")

const placeholder = `{"_placeholder":true,"num":`

// AppendNil appends nil.
func AppendNil(dst []byte) []byte { return append(dst, 0xc0) }

// AppendBool appends a boolean.
func AppendBool(dst []byte, b bool) []byte {
	if b {
		return append(dst, 0xc3)
	}
	return append(dst, 0xc2)
}

// AppendMap appends the head of a map of n pairs.
func AppendMap(dst []byte, n int) []byte { return head(dst, n, 0x80, 16, 0xde) }

// AppendArray appends the head of an array of n elements.
func AppendArray(dst []byte, n int) []byte { return head(dst, n, 0x90, 16, 0xdc) }

// head appends the type and the length n: as one byte, fix with n in it, if n is less than fixMax, else as the byte
// wide or wide+1 and two or four bytes.
func head(dst []byte, n int, fix byte, fixMax int, wide byte) []byte {
	switch {
	case n < fixMax:
		return append(dst, fix|byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, wide), uint16(n))
	default:
		return binary.BigEndian.AppendUint32(append(dst, wide+1), uint32(n))
	}
}

// AppendString appends a string.
func AppendString[T string | []byte](dst []byte, s T) []byte {
	switch n := len(s); {
	case n < 32:
		dst = append(dst, 0xa0|byte(n))
	case n <= math.MaxUint8:
		dst = append(dst, 0xd9, byte(n))
	default:
		dst = head(dst, n, 0, 0, 0xda)
	}
	return append(dst, s...)
}

// AppendBinary appends a byte string.
func AppendBinary(dst, p []byte) []byte {
	if len(p) <= math.MaxUint8 {
		dst = append(dst, 0xc4, byte(len(p)))
	} else {
		dst = head(dst, len(p), 0, 0, 0xc5)
	}
	return append(dst, p...)
}

// AppendInt appends an integer in its shortest form.
func AppendInt(dst []byte, n int64) []byte {
	switch {
	case n >= 0:
		return AppendUint(dst, uint64(n))
	case n >= -32:
		return append(dst, byte(n))
	case n >= math.MinInt8:
		return append(dst, 0xd0, byte(n))
	case n >= math.MinInt16:
		return binary.BigEndian.AppendUint16(append(dst, 0xd1), uint16(n))
	case n >= math.MinInt32:
		return binary.BigEndian.AppendUint32(append(dst, 0xd2), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xd3), uint64(n))
	}
}

// AppendUint appends an unsigned integer in its shortest form.
func AppendUint(dst []byte, n uint64) []byte {
	switch {
	case n < 128:
		return append(dst, byte(n))
	case n <= math.MaxUint8:
		return append(dst, 0xcc, byte(n))
	case n <= math.MaxUint16:
		return binary.BigEndian.AppendUint16(append(dst, 0xcd), uint16(n))
	case n <= math.MaxUint32:
		return binary.BigEndian.AppendUint32(append(dst, 0xce), uint32(n))
	default:
		return binary.BigEndian.AppendUint64(append(dst, 0xcf), n)
	}
}

// AppendJSON appends the JSON value text as MessagePack. Placeholders become the attachments that they refer to.
func AppendJSON(dst, text []byte, attachments [][]byte) ([]byte, error) {
	if !jsonscan.Valid(text) {
		return nil, ErrInvalid
	}
	e := encoder{src: text, attachments: attachments, dst: dst}
	if _, err := e.value(0); err != nil {
		return nil, err
	}
	return e.dst, nil
}

// encoder encodes src, which must be valid JSON.
type encoder struct {
	src         []byte
	attachments [][]byte
	dst         []byte
}

// value encodes the value at i and returns the index after its end.
func (e *encoder) value(i int) (int, error) {
	i = jsonscan.Space(e.src, i)
	switch e.src[i] {
	case '{':
		if b, end := e.binary(i); end > 0 {
			e.dst = AppendBinary(e.dst, b)
			return end, nil
		}
		return e.members(i, true)
	case '[':
		return e.members(i, false)
	}
	end, err := jsonscan.Value(e.src, i)
	if err != nil {
		return 0, err
	}
	switch raw := e.src[i:end]; raw[0] {
	case '"':
		err = e.text(raw)
	case 't', 'f':
		e.dst = AppendBool(e.dst, raw[0] == 't')
	case 'n':
		e.dst = AppendNil(e.dst)
	default:
		err = e.number(string(raw))
	}
	return end, err
}

// binary returns the attachment that the placeholder at i refers to, and the index after the placeholder. The index is
// 0 if there is no placeholder at i.
func (e *encoder) binary(i int) ([]byte, int) {
	rest, ok := bytes.CutPrefix(e.src[i:], []byte(placeholder))
	if !ok {
		return nil, 0
	}
	digits, _, ok := bytes.Cut(rest, []byte("}"))
	n, err := strconv.Atoi(string(digits))
	if !ok || err != nil || n < 0 || n >= len(e.attachments) {
		return nil, 0
	}
	return e.attachments[n], i + len(placeholder) + len(digits) + 1
}

// members encodes an object or array. Its length comes first and is not known yet, so one byte is reserved. If the
// length needs more, the encoded elements are moved.
func (e *encoder) members(i int, object bool) (end int, err error) {
	start := len(e.dst)
	e.dst = append(e.dst, 0)
	n, end, err := e.elements(i, object)
	if err != nil {
		return 0, err
	}
	var buf [5]byte
	h := AppendArray(buf[:0], n)
	if object {
		h = AppendMap(buf[:0], n)
	}
	e.dst = slices.Replace(e.dst, start, start+1, h...)
	return end, nil
}

func (e *encoder) elements(i int, object bool) (n, end int, err error) {
	i = jsonscan.Space(e.src, i+1)
	for ; e.src[i] != '}' && e.src[i] != ']'; n++ {
		if object {
			end, err := jsonscan.String(e.src, i)
			if err != nil {
				return 0, 0, err
			}
			if err := e.text(e.src[i:end]); err != nil {
				return 0, 0, err
			}
			i = jsonscan.Space(e.src, end) + 1
		}
		if i, err = e.value(i); err != nil {
			return 0, 0, err
		}
		if i = jsonscan.Space(e.src, i); e.src[i] == ',' {
			i = jsonscan.Space(e.src, i+1)
		}
	}
	return n, i + 1, nil
}

func (e *encoder) text(raw []byte) error {
	inner := raw[1 : len(raw)-1]
	for _, c := range inner {
		if c == '\\' {
			var s string
			if err := json.Unmarshal(raw, &s); err != nil {
				return err
			}
			e.dst = AppendString(e.dst, s)
			return nil
		}
	}
	e.dst = AppendString(e.dst, inner)
	return nil
}

// number encodes integers as integers, even those that a float64 cannot represent, and other numbers as float64.
func (e *encoder) number(raw string) error {
	if n, err := strconv.ParseInt(raw, 10, 64); err == nil && raw != "-0" {
		e.dst = AppendInt(e.dst, n)
		return nil
	}
	if n, err := strconv.ParseUint(raw, 10, 64); err == nil {
		e.dst = AppendUint(e.dst, n)
		return nil
	}
	f, err := strconv.ParseFloat(raw, 64)
	if err != nil && !math.IsInf(f, 0) {
		return ErrInvalid
	}
	if f == math.Trunc(f) && math.Abs(f) < 1<<53 && raw != "-0" {
		e.dst = AppendInt(e.dst, int64(f))
		return nil
	}
	e.dst = binary.BigEndian.AppendUint64(append(e.dst, 0xcb), math.Float64bits(f))
	return nil
}
