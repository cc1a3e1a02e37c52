package h1

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"strings"
)

// Body reads a message's body from its connection. The zero Body is empty.
type Body struct {
	br      *bufio.Reader
	framing Framing
	left    int64 // of the length or of the current chunk
	inChunk bool
	done    bool
	// Trailer has the fields after a chunked body, once Read has returned io.EOF.
	Trailer []Field
}

// NewBody returns the body that follows a head read from br.
func NewBody(br *bufio.Reader, f Framing) *Body {
	return &Body{br: br, framing: f, left: f.Length, done: f.Kind == None}
}

// Reset makes b the body that follows a head read from br.
func (b *Body) Reset(br *bufio.Reader, f Framing) { *b = *NewBody(br, f) }

// Done reports whether the body was read to its end, so that the next message on the connection starts here.
func (b *Body) Done() bool { return b.done || b.br == nil }

// Ready reports whether Read can return something without waiting for the connection.
func (b *Body) Ready() bool {
	if b.done || b.framing.Kind != Chunked || b.left > 0 {
		return b.done || b.br.Buffered() > 0
	}
	here, err := b.br.Peek(b.br.Buffered())
	if err == nil && b.inChunk { // the end of this chunk comes before the size of the next one
		i := bytes.IndexByte(here, '\n')
		here = here[i+1:]
		if i < 0 {
			return false
		}
	}
	i := bytes.IndexByte(here, '\n')
	return i >= 0 && i+1 < len(here)
}

// Read returns available bytes, and waits only if there are none. It returns io.EOF at the end of the body, and
// io.ErrUnexpectedEOF if the connection ends before.
func (b *Body) Read(p []byte) (int, error) {
	if b.done {
		return 0, io.EOF
	}
	switch b.framing.Kind {
	case UntilClose:
		n, err := b.br.Read(p)
		b.done = errors.Is(err, io.EOF)
		return n, err
	case Chunked:
		if err := b.nextChunk(); err != nil {
			return 0, unexpected(err)
		}
		if b.done {
			return 0, io.EOF
		}
	}
	if int64(len(p)) > b.left {
		p = p[:b.left]
	}
	n, err := b.br.Read(p)
	b.left -= int64(n)
	if b.left == 0 && b.framing.Kind == Length {
		b.done = true
		return n, nil
	}
	return n, unexpected(err)
}

func unexpected(err error) error {
	if errors.Is(err, io.EOF) {
		return io.ErrUnexpectedEOF
	}
	return err
}

// nextChunk reads the lines between chunks and sets left to the size of the next chunk. After the last one it
// sets done.
func (b *Body) nextChunk() error {
	for b.left == 0 {
		line, err := b.line()
		if err != nil {
			return err
		}
		if b.inChunk {
			if line != "" {
				return severe("BadChunk")
			}
			b.inChunk = false
			continue
		}
		size, ok := parseChunkSize(line)
		if !ok {
			return severe("BadChunk")
		}
		if size == 0 {
			return b.readTrailer()
		}
		b.left, b.inChunk = size, true
	}
	return nil
}

func (b *Body) readTrailer() error {
	var j judgement
	for size := 0; ; {
		line, err := b.line()
		if err != nil {
			return err
		}
		if line == "" {
			b.done = true
			return nil
		}
		if size += len(line); size > MaxLine {
			return severe("the trailer is too large")
		}
		f, err := parseField(line, &j)
		if err != nil {
			return err
		}
		if j.foreign {
			return severe("BadHeader")
		}
		if !forbiddenTrailer(f.Name) {
			b.Trailer = append(b.Trailer, Field{f.Name, cleaned(f.Value)})
		}
	}
}

// line reads a line between chunks. A line that does not fit into the reader's buffer is malformed.
func (b *Body) line() (string, error) {
	s, err := b.br.ReadSlice('\n')
	if errors.Is(err, bufio.ErrBufferFull) {
		return "", severe("BadChunk")
	}
	if err != nil {
		return "", err
	}
	line, _, _ := cutLine(string(s))
	if strings.IndexByte(line, '\r') >= 0 {
		return "", severe("BadChunk")
	}
	return line, nil
}

// parseChunkSize parses the hexadecimal size before any chunk extension.
func parseChunkSize(line string) (int64, bool) {
	digits, _, _ := strings.Cut(line, ";")
	digits = strings.TrimRight(digits, " \t")
	if digits == "" || len(digits) > 15 {
		return 0, false
	}
	n := int64(0)
	for i := 0; i < len(digits); i++ {
		d := strings.IndexByte("0123456789abcdef", digits[i]|0x20)
		if d < 0 || digits[i] < '0' {
			return 0, false
		}
		n = n<<4 | int64(d)
	}
	return n, true
}

// forbiddenTrailer reports whether a field would change how the message is framed, routed, authenticated or
// processed, if a recipient treated it as a header field (RFC 9110 6.5.1).
func forbiddenTrailer(name string) bool {
	name = strings.ToLower(Likeness(name))
	switch name {
	case "transfer-encoding", "content-length", "host", "trailer", "connection", "keep-alive",
		"proxy-connection", "upgrade", "te",
		"content-encoding", "content-type", "content-range", "range", "expect",
		"max-forwards", "cache-control", "pragma", "age", "expires", "date", "location", "retry-after",
		"vary", "authorization", "proxy-authorization", "authentication-info", "proxy-authentication-info",
		"www-authenticate", "proxy-authenticate", "set-cookie", "cookie":
		return true
	}
	return strings.HasPrefix(name, "if-")
}
