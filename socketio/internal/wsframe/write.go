package wsframe

import "encoding/binary"

// MaxServerHeader is the longest header of an unmasked frame.
const MaxServerHeader = 10

// AppendHeader appends the header of a final unmasked frame of size bytes.
func AppendHeader(dst []byte, op Op, size int) []byte {
	switch {
	case size <= maxControl:
		return append(dst, byte(op)|fin, byte(size))
	case size <= 0xffff:
		return binary.BigEndian.AppendUint16(append(dst, byte(op)|fin, 126), uint16(size))
	default:
		return binary.BigEndian.AppendUint64(append(dst, byte(op)|fin, 127), uint64(size))
	}
}

// AppendFrame appends a final unmasked frame.
func AppendFrame(dst []byte, op Op, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendClose appends a close frame; code 0 means one without a body.
func AppendClose(dst []byte, code int) []byte {
	if code == 0 {
		return append(dst, byte(Close)|fin, 0)
	}
	return append(dst, byte(Close)|fin, 2, byte(code>>8), byte(code))
}
