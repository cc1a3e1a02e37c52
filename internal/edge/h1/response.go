package h1

import (
	"bufio"
	"strings"
)

// Response is the head of a response and the framing of its body.
type Response struct {
	Status int
	Reason string
	Minor  int
	Header []Field
	Body   Framing
	// Length is the value of Content-Length, -1 if there is none or it has no meaning. Responses to HEAD, and
	// 304, have it without a body.
	Length int64
	Size   int
	// Reusable means that the connection may carry another request once the body was read to its end.
	Reusable bool
	buf      []byte
}

// ReadResponse reads the next head, which may be an interim one (1xx), of the response to a request with the
// method into r and reuses r's memory. A malformed or too large head is an *Error; whatever its Status, the
// client gets a 502.
func ReadResponse(br *bufio.Reader, method string, r *Response) error {
	buf, err := readHead(br, r.buf[:0], bounds{MaxResponseHead, MaxResponseHead, 0})
	*r = Response{Header: r.Header[:0], buf: buf}
	if err != nil {
		return err
	}
	r.Size = len(buf)
	line, rest, _ := cutLine(string(buf))
	if err := r.parseLine(line); err != nil {
		return err
	}
	var j judgement
	if r.Header, err = parseStrict(rest, r.Header, &j); err != nil {
		return err
	}
	err = r.frame(method)
	j.clean(r.Header)
	return err
}

// Started reports whether an unfinished ReadResponse has read part of a head.
func (r *Response) Started() bool { return len(r.buf) > 0 }

// Forget drops what was read, so that Started is about the next ReadResponse only.
func (r *Response) Forget() { r.buf = r.buf[:0] }

func (r *Response) parseLine(line string) error {
	if len(line) < 12 || line[:7] != "HTTP/1." || line[8] != ' ' || (line[7] != '0' && line[7] != '1') ||
		len(line) > 12 && line[12] != ' ' {
		return severe("BadVersion")
	}
	r.Minor = int(line[7] - '0')
	for _, c := range []byte(line[9:12]) {
		if c < '0' || c > '9' {
			return severe("BadStatus")
		}
		r.Status = r.Status*10 + int(c-'0')
	}
	if r.Status < 100 {
		return severe("BadStatus")
	}
	reason := strings.TrimPrefix(line[12:], " ")
	r.Reason = cleaned(reason)
	return checkValue(reason, new(judgement))
}

func (r *Response) frame(method string) error {
	f, err := readFraming(r.Header)
	if err != nil {
		return err
	}
	r.Length = -1
	if f.lengths > 0 && !f.chunked {
		r.Length = f.length
	}
	r.Reusable = Persists(r.Minor, r.Header) && (r.Minor > 0 || f.encodings == 0)
	switch {
	// neither field is allowed (RFC 9110 8.6, RFC 9112 6.1); the target may send a body all the same
	case r.Status < 200 || r.Status == 204:
		r.Length = -1
		r.Reusable = r.Reusable && f.encodings == 0 && f.length == 0
	case method == "HEAD" || r.Status == 304:
	case f.chunked:
		r.Body = Framing{Kind: Chunked}
		r.Reusable = r.Reusable && f.lengths == 0
	case f.lengths > 0:
		r.Body = lengthFraming(f.length)
	default:
		r.Body, r.Reusable = Framing{Kind: UntilClose}, false
	}
	return nil
}

// Release frees the memory that is kept for the next head.
func (r *Response) Release() { r.buf, r.Header = nil, nil }
