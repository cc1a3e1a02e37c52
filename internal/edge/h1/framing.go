package h1

import (
	"strconv"
	"strings"
)

// Kind is how the end of a body is marked.
type Kind int

// The kinds.
const (
	None Kind = iota
	Length
	Chunked
	UntilClose // responses only
)

// Framing says where a body ends. Length is for the kind Length only.
type Framing struct {
	Kind   Kind
	Length int64
}

func lengthFraming(n int64) Framing {
	if n == 0 {
		return Framing{}
	}
	return Framing{Length, n}
}

// framing is what Content-Length and Transfer-Encoding say about the body.
type framing struct {
	lengths   int // number of Content-Length fields
	length    int64
	encodings int // number of Transfer-Encoding fields
	chunked   bool
}

func readFraming(fields []Field) (framing, error) {
	var f framing
	for i := range fields {
		switch name := fields[i].Name; {
		case SameName(name, "Content-Length"):
			n, ok := parseLength(fields[i].Value)
			if !ok {
				return f, severe("BadContentLength")
			}
			if f.lengths > 0 && n != f.length {
				return f, severe("MultipleContentLength")
			}
			f.lengths, f.length = f.lengths+1, n
		case SameName(name, "Transfer-Encoding"):
			if err := f.encoding(fields[i].Value); err != nil {
				return f, err
			}
		}
	}
	return f, nil
}

func (f *framing) encoding(value string) error {
	f.encodings++
	for item := range strings.SplitSeq(value, ",") {
		switch item = strings.Trim(item, " \t"); {
		case SameName(item, "identity"):
		case !isToken(item):
			return severe("BadTransferEncoding")
		case !SameName(item, "chunked"):
			return &Error{501, "BadTransferEncoding", Severe} // alb.md Q14
		case f.chunked:
			return severe("MultipleTransferEncodingChunked")
		default:
			f.chunked = true
		}
	}
	return nil
}

// parseLength accepts decimal digits only; strconv would accept a sign, too.
func parseLength(s string) (int64, bool) {
	for i := 0; i < len(s); i++ {
		if s[i] < '0' || s[i] > '9' {
			return 0, false
		}
	}
	n, err := strconv.ParseInt(s, 10, 64)
	return n, err == nil
}
