package msgpack

import (
	"encoding/binary"
	"math"
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"github.com/berthhq/berth/socketio/internal/jsonscan"
)

// Reader reads MessagePack from a byte slice.
type Reader struct {
	p []byte
}

// NewReader reads p.
func NewReader(p []byte) *Reader { return &Reader{p: p} }

// Len is the number of unread bytes.
func (r *Reader) Len() int { return len(r.p) }

func (r *Reader) take(n int) ([]byte, error) {
	if n < 0 || n > len(r.p) {
		return nil, ErrInvalid
	}
	b := r.p[:n]
	r.p = r.p[n:]
	return b, nil
}

func (r *Reader) uint(n int) (uint64, error) {
	b, err := r.take(n)
	if err != nil {
		return 0, err
	}
	var v uint64
	for _, c := range b {
		v = v<<8 | uint64(c)
	}
	return v, nil
}

// Map reads the head of a map.
func (r *Reader) Map() (int, error) { return r.head(0x80, 0xde) }

// Array reads the head of an array.
func (r *Reader) Array() (int, error) { return r.head(0x90, 0xdc) }

func (r *Reader) head(fix, wide byte) (int, error) {
	b, err := r.take(1)
	if err != nil {
		return 0, err
	}
	switch c := b[0]; {
	case c&0xf0 == fix:
		return int(c & 0x0f), nil
	case c == wide:
		n, err := r.uint(2)
		return int(n), err
	case c == wide+1:
		n, err := r.uint(4)
		return int(n), err
	}
	return 0, ErrInvalid
}

// String reads a string.
func (r *Reader) String() (string, error) {
	b, err := r.take(1)
	if err != nil {
		return "", err
	}
	n, err := r.stringLen(b[0])
	if err != nil {
		return "", err
	}
	s, err := r.take(n)
	return string(s), err
}

func (r *Reader) stringLen(c byte) (int, error) {
	var n uint64
	var err error
	switch {
	case c&0xe0 == 0xa0:
		return int(c & 0x1f), nil
	case c >= 0xd9 && c <= 0xdb:
		n, err = r.uint(1 << (c - 0xd9))
	default:
		err = ErrInvalid
	}
	return int(n), err
}

// Int reads a number as an integer. A fraction is cut off.
func (r *Reader) Int() (int64, error) {
	text, _, err := r.JSON(nil, nil)
	if err != nil {
		return 0, err
	}
	f, err := strconv.ParseFloat(string(text), 64)
	return int64(f), err
}

// Skip skips a value.
func (r *Reader) Skip() error {
	_, _, err := r.JSON(nil, nil)
	return err
}

// Raw returns the encoded bytes of the next value.
func (r *Reader) Raw() ([]byte, error) {
	before := r.p
	if err := r.Skip(); err != nil {
		return nil, err
	}
	return before[:len(before)-len(r.p)], nil
}

// JSON appends the next value to dst as JSON. It appends byte strings to attachments, and a placeholder with their
// index to dst. If there are attachments, it replaces maps that look like placeholders by null, because they could not
// be distinguished from real placeholders.
func (r *Reader) JSON(dst []byte, attachments [][]byte) ([]byte, [][]byte, error) {
	d := decoder{r: r, dst: dst, attachments: attachments}
	err := d.value(0)
	if len(d.attachments) > 0 {
		d.removeLookalikes()
	}
	return d.dst, d.attachments, err
}

// removeLookalikes replaces each map that looks like a placeholder by null.
func (d *decoder) removeLookalikes() {
	start := len(d.dst)
	for _, l := range slices.Backward(d.lookalikes) { // outer maps first
		if l.end <= start {
			d.dst = slices.Replace(d.dst, l.start, l.end, []byte("null")...)
			start = l.start
		}
	}
}

const maxDepth = 1000

type decoder struct {
	r           *Reader
	dst         []byte
	attachments [][]byte
	lookalikes  []span // maps that look like placeholders; inner ones come before outer ones
}

// span is a part of dst.
type span struct{ start, end int }

func (d *decoder) value(depth int) error {
	b, err := d.r.take(1)
	if err != nil || depth > maxDepth {
		return ErrInvalid
	}
	switch c := b[0]; {
	case c < 0x80:
		d.dst = strconv.AppendInt(d.dst, int64(c), 10)
	case c >= 0xe0:
		d.dst = strconv.AppendInt(d.dst, int64(int8(c)), 10)
	case c < 0x90:
		return d.pairs(int(c&0x0f), depth)
	case c < 0xa0:
		return d.list(int(c&0x0f), depth)
	case c < 0xc0 || (c >= 0xd9 && c <= 0xdb):
		return d.text(c)
	default:
		return d.wide(c, depth)
	}
	return nil
}

// wide reads a value whose first byte is c and has only the type, not a part of the value.
func (d *decoder) wide(c byte, depth int) error {
	switch c {
	case 0xc0:
		d.dst = append(d.dst, "null"...)
	case 0xc2, 0xc3:
		d.dst = strconv.AppendBool(d.dst, c == 0xc3)
	case 0xc4, 0xc5, 0xc6:
		return d.bytes(1 << (c - 0xc4))
	case 0xc7, 0xc8, 0xc9:
		return d.ext(1<<(c-0xc7), 0)
	case 0xca, 0xcb:
		return d.float(c)
	case 0xcc, 0xcd, 0xce, 0xcf:
		n, err := d.r.uint(1 << (c - 0xcc))
		d.dst = strconv.AppendUint(d.dst, n, 10)
		return err
	case 0xd0, 0xd1, 0xd2, 0xd3:
		size := 1 << (c - 0xd0)
		n, err := d.r.uint(size)
		shift := 64 - 8*size
		d.dst = strconv.AppendInt(d.dst, int64(n<<shift)>>shift, 10)
		return err
	case 0xd4, 0xd5, 0xd6, 0xd7, 0xd8:
		return d.ext(0, 1<<(c-0xd4))
	case 0xdc, 0xdd, 0xde, 0xdf:
		n, err := d.r.uint(2 << (c & 1))
		if err != nil {
			return err
		}
		if c < 0xde {
			return d.list(int(n), depth)
		}
		return d.pairs(int(n), depth)
	default:
		return ErrInvalid
	}
	return nil
}

func (d *decoder) list(n, depth int) error {
	d.dst = append(d.dst, '[')
	for i := range n {
		if i > 0 {
			d.dst = append(d.dst, ',')
		}
		if err := d.value(depth + 1); err != nil {
			return err
		}
	}
	d.dst = append(d.dst, ']')
	return nil
}

func (d *decoder) pairs(n, depth int) error {
	start, marked := len(d.dst), false
	d.dst = append(d.dst, '{')
	for i := range n {
		if i > 0 {
			d.dst = append(d.dst, ',')
		}
		c, err := d.r.take(1)
		if err != nil {
			return err
		}
		key := len(d.dst)
		if err := d.text(c[0]); err != nil { // keys are strings
			return err
		}
		d.dst = append(d.dst, ':')
		if err := d.value(depth + 1); err != nil {
			return err
		}
		marked = marked || string(d.dst[key:]) == `"_placeholder":true`
	}
	d.dst = append(d.dst, '}')
	if marked {
		d.lookalikes = append(d.lookalikes, span{start, len(d.dst)})
	}
	return nil
}

func (d *decoder) text(c byte) error {
	n, err := d.r.stringLen(c)
	if err != nil {
		return err
	}
	s, err := d.r.take(n)
	if err != nil || !utf8.Valid(s) {
		return ErrInvalid
	}
	d.dst = jsonscan.AppendString(d.dst, s)
	return nil
}

func (d *decoder) bytes(size int) error {
	n, err := d.r.uint(size)
	if err != nil {
		return err
	}
	p, err := d.r.take(int(n))
	if err != nil {
		return err
	}
	d.dst = strconv.AppendInt(append(d.dst, placeholder...), int64(len(d.attachments)), 10)
	d.dst = append(d.dst, '}')
	d.attachments = append(d.attachments, append([]byte(nil), p...))
	return nil
}

func (d *decoder) float(c byte) error {
	var f float64
	if c == 0xca {
		n, err := d.r.uint(4)
		if err != nil {
			return err
		}
		f = float64(math.Float32frombits(uint32(n)))
	} else {
		n, err := d.r.uint(8)
		if err != nil {
			return err
		}
		f = math.Float64frombits(n)
	}
	d.dst = appendFloat(d.dst, f)
	return nil
}

// appendFloat appends f as JSON.stringify of JavaScript would write it: infinities and NaN become null.
func appendFloat(dst []byte, f float64) []byte {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return append(dst, "null"...)
	}
	format := byte('f')
	if a := math.Abs(f); a != 0 && (a < 1e-6 || a >= 1e21) {
		format = 'e'
	}
	return strconv.AppendFloat(dst, f, format, -1, 64)
}

// ext reads an extension type. Timestamps become strings in ISO 8601 form, all others null. Its length is n, or is in
// the next lenBytes bytes if lenBytes is not 0.
func (d *decoder) ext(lenBytes, n int) error {
	if lenBytes > 0 {
		v, err := d.r.uint(lenBytes)
		if err != nil {
			return err
		}
		n = int(v)
	}
	kind, err := d.r.take(1)
	if err != nil {
		return err
	}
	p, err := d.r.take(n)
	if err != nil {
		return err
	}
	t, ok := timestamp(int8(kind[0]), p)
	if !ok {
		d.dst = append(d.dst, "null"...)
		return nil
	}
	d.dst = t.AppendFormat(d.dst, `"2006-01-02T15:04:05.000Z"`)
	return nil
}

// timestamp decodes the two kinds of timestamps that are in use: extension type -1 of the MessagePack specification,
// and type 0, milliseconds, of older JavaScript packages such as the one in socket.io-msgpack-parser.
func timestamp(kind int8, p []byte) (t time.Time, ok bool) {
	switch {
	case kind == 0 && len(p) == 8:
		t = time.UnixMilli(int64(binary.BigEndian.Uint64(p)))
	case kind == -1 && len(p) == 4:
		t = time.Unix(int64(binary.BigEndian.Uint32(p)), 0)
	case kind == -1 && len(p) == 8:
		v := binary.BigEndian.Uint64(p)
		t = time.Unix(int64(v&(1<<34-1)), int64(v>>34))
	case kind == -1 && len(p) == 12:
		t = time.Unix(int64(binary.BigEndian.Uint64(p[4:])), int64(binary.BigEndian.Uint32(p)))
	default:
		return t, false
	}
	t = t.UTC()
	return t, t.Year() >= 0 && t.Year() <= 9999
}
