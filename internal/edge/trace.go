package edge

import (
	"crypto/rand"
	"encoding/binary"
	"encoding/hex"
	"strings"
	"time"
)

const traceHeader = "X-Amzn-Trace-Id"

// maxTrace is the length in bytes above which a client's trace header is dropped (alb.md Q4).
const maxTrace = 7 << 10

// trace returns the trace header for the target, given the client's header, "" if there was none (alb.md Q4).
func trace(old string, now time.Time) string {
	if old == "" || len(old) > maxTrace {
		return "Root=" + traceID(now)
	}
	var kept []string
	for part := range strings.SplitSeq(old, ";") {
		part = strings.TrimSpace(part)
		if part != "" && !strings.HasPrefix(part, "Self=") {
			kept = append(kept, part)
		}
	}
	rest := strings.Join(kept, ";")
	if !strings.Contains(rest, "Root=") {
		return strings.TrimSuffix("Root="+traceID(now)+";"+rest, ";")
	}
	return "Self=" + traceID(now) + ";" + rest
}

func traceID(now time.Time) string {
	var b [16]byte
	binary.BigEndian.PutUint32(b[:4], uint32(now.Unix()))
	rand.Read(b[4:]) // never fails
	var out [2 + 8 + 1 + 24]byte
	copy(out[:], "1-")
	hex.Encode(out[2:10], b[:4])
	out[10] = '-'
	hex.Encode(out[11:], b[4:])
	return string(out[:])
}
