package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"math/bits"
)

var errShort = errors.New("a block of points ends early")

// reader reads values from the start of a slice. After an error it returns zeros.
type reader struct {
	b   []byte
	err error
}

func (r *reader) fail(err error) {
	if r.err == nil {
		r.err = err
	}
	r.b = nil
}

func (r *reader) take(n uint64) []byte {
	if n > uint64(len(r.b)) {
		r.fail(errShort)
		return nil
	}
	taken := r.b[:n]
	r.b = r.b[n:]
	return taken
}

func (r *reader) byte() byte {
	if b := r.take(1); b != nil {
		return b[0]
	}
	return 0
}

func (r *reader) uvarint() uint64 {
	v, n := binary.Uvarint(r.b)
	if n <= 0 {
		r.fail(errShort)
		return 0
	}
	r.b = r.b[n:]
	return v
}

func (r *reader) varint() int64 {
	v := r.uvarint()
	return int64(v>>1) ^ -int64(v&1)
}

func (r *reader) float() float64 {
	if b := r.take(8); b != nil {
		return math.Float64frombits(binary.LittleEndian.Uint64(b))
	}
	return 0
}

func (r *reader) bytes() []byte { return r.take(r.uvarint()) }

// byVarint is the first byte of a column of integers whose differences are written as varints. Any
// other first byte is the number of bits of each difference.
const byVarint = 0xff

// appendInts appends integers: the first one and then the differences.
func appendInts(b []byte, values []int64) []byte {
	if len(values) == 0 {
		return b
	}
	b = binary.AppendVarint(b, values[0])
	var varints, all uint64
	for i := 1; i < len(values); i++ {
		d := zigzag(values[i] - values[i-1])
		varints += uint64(max(bits.Len64(d)+6, 7) / 7)
		all |= d
	}
	width := bits.Len64(all)
	if packed := (uint64(width)*uint64(len(values)-1) + 7) / 8; packed > varints {
		b = append(b, byVarint)
		for i := 1; i < len(values); i++ {
			b = binary.AppendVarint(b, values[i]-values[i-1])
		}
		return b
	}
	b = append(b, byte(width))
	var pending uint64 // bits that are not yet in b, the lowest first
	held := 0
	for i := 1; i < len(values); i++ {
		d := zigzag(values[i] - values[i-1])
		for left := width; left > 0; {
			n := min(left, 64-held, 32)
			pending |= (d & (1<<n - 1)) << held
			d >>= n
			held, left = held+n, left-n
			for ; held >= 8; held -= 8 {
				b = append(b, byte(pending))
				pending >>= 8
			}
		}
	}
	if held > 0 {
		b = append(b, byte(pending))
	}
	return b
}

func zigzag(v int64) uint64 { return uint64(v<<1) ^ uint64(v>>63) }

func (r *reader) ints(n int) []int64 {
	if n == 0 {
		return nil
	}
	values := make([]int64, n)
	values[0] = r.varint()
	width := r.byte()
	if width == byVarint {
		for i := 1; i < n; i++ {
			values[i] = values[i-1] + r.varint()
		}
		return values
	}
	if width > 64 {
		r.fail(fmt.Errorf("a column has %d bits for a number", width))
		return values
	}
	packed := r.take((uint64(width)*uint64(n-1) + 7) / 8)
	if r.err != nil {
		return values
	}
	at := 0
	for i := 1; i < n; i++ {
		var d uint64
		for got := 0; got < int(width); {
			k := min(int(width)-got, 8-at%8)
			d |= uint64(packed[at/8]>>(at%8)) & (1<<k - 1) << got
			at, got = at+k, got+k
		}
		values[i] = values[i-1] + (int64(d>>1) ^ -int64(d&1))
	}
	return values
}

// A column of floating-point numbers begins with its form. A scale from 0 to maxScale means integers divided
// by that power of ten; a negative scale means integers multiplied by it. The other forms are:
const (
	rawFloats  = 127 // eight bytes each
	wideFloats = 126 // three bytes, and one for a scale, each
)

const (
	maxScale   = 12
	maxInteger = 1 << 53
	digits     = 7 // significant digits of numbers that are rounded
)

// appendFloats appends numbers. If limited, they take at most four bytes each, and are rounded if
// necessary.
func appendFloats(b []byte, values []float64, limited bool) []byte {
	exact := exactly(values)
	if exact != nil && (!limited || len(exact) <= 4*len(values)+8) {
		return append(b, exact...)
	}
	if !limited {
		b = append(b, rawFloats)
		for _, v := range values {
			b = binary.LittleEndian.AppendUint64(b, math.Float64bits(v))
		}
		return b
	}
	return appendRounded(b, values)
}

// exactly returns numbers as decimal fractions with a common scale, or nil if that would change them.
func exactly(values []float64) []byte {
	scale := 0
	for _, v := range values {
		for ; !isInteger(v, scale); scale++ {
			if scale == maxScale {
				return nil
			}
		}
	}
	ints := make([]int64, len(values))
	for i, v := range values {
		if !isInteger(v, scale) {
			return nil
		}
		ints[i] = int64(math.Round(v * powers[scale]))
	}
	return appendInts([]byte{byte(scale)}, ints)
}

var powers = [maxScale + 1]float64{1, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12}

// isInteger reports whether v is exactly an integer divided by a power of ten. Minus zero is not.
func isInteger(v float64, scale int) bool {
	m := math.Round(v * powers[scale])
	return math.Abs(m) < maxInteger && m/powers[scale] == v && (v != 0 || !math.Signbit(v))
}

// appendRounded appends numbers with seven digits of the largest one. If their sizes differ much, it appends
// each with six digits.
func appendRounded(b []byte, values []float64) []byte {
	highest, lowest := 0.0, math.Inf(1)
	for _, v := range values {
		if a := math.Abs(v); a > 0 {
			highest, lowest = max(highest, a), min(lowest, a)
		}
	}
	scale := digits - 1
	if highest > 0 {
		scale -= int(math.Floor(math.Log10(highest)))
	}
	if highest > 10*lowest || scale < -110 || scale > 110 {
		b = append(b, wideFloats)
		for _, v := range values {
			b = appendWide(b, v)
		}
		return b
	}
	ints := make([]int64, len(values))
	for i, v := range values {
		ints[i] = int64(math.Round(scaleBy(v, scale)))
	}
	return appendInts(append(b, byte(int8(scale))), ints)
}

// scaleBy multiplies by a power of ten.
func scaleBy(v float64, scale int) float64 {
	if scale < 0 {
		return v / math.Pow10(-scale)
	}
	return v * math.Pow10(scale)
}

// appendWide appends a number with six significant digits: its power of ten, and a mantissa of
// three bytes.
func appendWide(b []byte, v float64) []byte {
	power, mantissa := 0, 0.0
	if v != 0 {
		power = min(max(int(math.Floor(math.Log10(math.Abs(v))))-5, -128), 127)
		mantissa = math.Round(scaleBy(v, -power))
	}
	m := uint32(int32(mantissa))
	return append(b, byte(int8(power)), byte(m), byte(m>>8), byte(m>>16))
}

func (r *reader) wide() float64 {
	b := r.take(4)
	if b == nil {
		return 0
	}
	m := int32(uint32(b[1])|uint32(b[2])<<8|uint32(b[3])<<16) << 8 >> 8
	return scaleBy(float64(m), int(int8(b[0])))
}

func (r *reader) floats(n int) []float64 {
	values := make([]float64, n)
	switch how := r.byte(); how {
	case rawFloats:
		for i := range values {
			values[i] = r.float()
		}
	case wideFloats:
		for i := range values {
			values[i] = r.wide()
		}
	default:
		scale := int(int8(how))
		up, down := math.Pow10(max(-scale, 0)), math.Pow10(max(scale, 0))
		for i, m := range r.ints(n) {
			values[i] = float64(m) * up / down
		}
	}
	return values
}
