package wsframe

import "encoding/binary"

// MaxServerHeader is the longest header of an unmasked frame.
const MaxServerHeader = 10

// AppendHeader appends the header of an unmasked frame that ends a message and has a payload of size bytes.
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

// AppendFrame appends an unmasked frame that ends a message.
func AppendFrame(dst []byte, op Op, payload []byte) []byte {
	return append(AppendHeader(dst, op, len(payload)), payload...)
}

// AppendClose appends an unmasked close frame with a status code. If code is 0, the frame has none.
func AppendClose(dst []byte, code int) []byte {
	if code == 0 {
		return append(dst, byte(Close)|fin, 0)
	}
	return append(dst, byte(Close)|fin, 2, byte(code>>8), byte(code))
}
