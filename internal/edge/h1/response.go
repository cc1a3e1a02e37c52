package h1

import (
	"bufio"
	"strings"
)

// Response is the head of a response and how its body is delimited.
type Response struct {
	Status int
	Reason string
	Minor  int
	Header []Field
	Body   Framing
	// Length is what Content-Length says, -1 if there is none or it means nothing. Answers to HEAD and 304 have it without a body.
	Length int64
	Size   int
	// Reusable tells that the connection may carry another request once the body was read to its end.
	Reusable bool
	buf      []byte
}

// ReadResponse reads the next head, interim ones (1xx) as well, of the answer to a request with the method, into r, whose memory it
// uses again. A malformed or too large head is an *Error, whatever its Status says: a client is told 502.
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
	if r.Header, err = parseStrict(rest, r.Header); err != nil {
		return err
	}
	return r.frame(method)
}

// Started reports whether an unfinished ReadResponse had read part of a head.
func (r *Response) Started() bool { return len(r.buf) > 0 }

// Forget takes back what was read, so that Started tells of the next ReadResponse alone.
func (r *Response) Forget() { r.buf = r.buf[:0] }

func (r *Response) parseLine(line string) error {
	if len(line) < 12 || line[:7] != "HTTP/1." || line[8] != ' ' || (line[7] != '0' && line[7] != '1') || len(line) > 12 && line[12] != ' ' {
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
	r.Reason = strings.TrimPrefix(line[12:], " ")
	return checkValue(r.Reason, new(judgement))
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
	case r.Status < 200 || r.Status == 204: // neither field may be there (RFC 9110 8.6, RFC 9112 6.1): there may be a body all the same
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

// Release lets go of the memory that is kept for the next head.
func (r *Response) Release() { r.buf, r.Header = nil, nil }
