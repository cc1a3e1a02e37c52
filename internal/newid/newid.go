// Package newid makes ids of random bytes, in the forms that AWS's ids have.
//
// Each function takes a reader of random bytes, and panics if reading fails. A server passes
// crypto/rand.Reader, because some ids must be hard to guess; a test or a simulator may pass its own
// reader, so that the same run has the same ids. Actions make ids before their transaction, which
// must be pure (state.Store.Update). The functions may be called concurrently if the reader may.
package newid

import (
	"encoding/binary"
	"encoding/hex"
	"io"
	"strconv"
)

// Bytes returns n random bytes.
func Bytes(random io.Reader, n int) []byte {
	b := make([]byte, n)
	if _, err := io.ReadFull(random, b); err != nil {
		panic("newid: no random bytes: " + err.Error())
	}
	return b
}

// Hex returns n random bytes as 2n lower-case hexadecimal digits.
func Hex(random io.Reader, n int) string { return hex.EncodeToString(Bytes(random, n)) }

// Number returns a random number of 32 bits in decimal digits.
func Number(random io.Reader) string {
	return strconv.FormatUint(uint64(binary.BigEndian.Uint32(Bytes(random, 4))), 10)
}

// EC2 returns an id in EC2's long form: a kind such as "i" or "vpc", a hyphen, a zero, and sixteen
// hexadecimal digits.
func EC2(random io.Reader, kind string) string { return kind + "-0" + Hex(random, 8) }

// EC2s returns n ids as EC2 returns one.
func EC2s(random io.Reader, kind string, n int) []string {
	return list(n, func() string { return EC2(random, kind) })
}

// UUID returns a random UUID of version 4.
func UUID(random io.Reader) string { return UUIDOf(Bytes(random, 16)) }

// UUIDs returns n random UUIDs of version 4.
func UUIDs(random io.Reader, n int) []string {
	return list(n, func() string { return UUID(random) })
}

// UUIDOf returns the UUID of version 4 that has the bits of 16 bytes, which need not be random.
func UUIDOf(b []byte) string {
	u := [16]byte(b)
	u[6], u[8] = u[6]&0x0f|0x40, u[8]&0x3f|0x80
	h := hex.EncodeToString(u[:])
	return h[:8] + "-" + h[8:12] + "-" + h[12:16] + "-" + h[16:20] + "-" + h[20:]
}

func list(n int, one func() string) []string {
	ids := make([]string, n)
	for i := range ids {
		ids[i] = one()
	}
	return ids
}
