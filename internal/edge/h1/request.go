package h1

import (
	"bufio"
	"strings"
)

// Request is the head of a request and the framing of its body.
type Request struct {
	Method string
	Target string // as sent
	Minor  int    // HTTP/1.Minor, 0 or 1
	Header []Field
	Body   Framing
	// Size is the size of the head on the wire, in bytes.
	Size int
	// Class and Reason are the request's deviation from the standard. The connections of an Ambiguous request
	// must not be used for another one.
	Class  Class
	Reason string
	// Foreign means that a field name has bytes beyond ASCII. Targets that decode them may take it for another
	// name.
	Foreign bool
	old     bool // HTTP/0.9, or no version at all
	buf     []byte
}

// ReadRequest reads the head of the next request into r and reuses r's memory.
func ReadRequest(br *bufio.Reader, r *Request) error {
	buf, err := readHead(br, r.buf[:0], bounds{MaxLine, MaxRequestHead, maxEmptyLines})
	*r = Request{Header: r.Header[:0], buf: buf}
	if err != nil {
		return err
	}
	r.Size = len(buf)
	line, rest, _ := cutLine(string(buf))
	j := judgement{}
	if err := r.parseLine(line, &j); err != nil {
		return err
	}
	if r.Header, err = parseFields(rest, r.Header, &j); err != nil {
		return err
	}
	err = r.frame(&j)
	j.clean(r.Header)
	r.Class, r.Reason, r.Foreign = j.Class, j.Reason, j.foreign
	return err
}

// Started reports whether an unfinished ReadRequest has read part of a head.
func (r *Request) Started() bool { return len(r.buf) > 0 }

// parseLine parses the request line. A line without a version, or with HTTP/0.9, is treated as HTTP/1.0 (alb.md
// L8): header lines and the empty line may follow, and the answer is one of HTTP/1.
func (r *Request) parseLine(line string, j *judgement) error {
	method, rest, ok := strings.Cut(line, " ")
	tidy := strings.Trim(rest, " ")
	target, version := tidy, ""
	if i := strings.LastIndexByte(tidy, ' '); i >= 0 {
		target, version = tidy[:i], tidy[i+1:]
	}
	switch {
	case !ok:
		return severe("BadVersion")
	case target == "" || version == "" && strings.HasPrefix(target, "HTTP/"):
		return ambiguous("MissingUri") // there is nothing to match a rule with
	case version == "HTTP/1.1":
		r.Minor = 1
	case version == "HTTP/1.0":
	case len(version) == 8 && version[:7] == "HTTP/1." && '2' <= version[7] && version[7] <= '9':
		r.Minor = 1
		j.found(Acceptable, "NonCompliantVersion")
	case version == "HTTP/0.9" || version == "" && method == "GET":
		r.old = true
		j.found(Acceptable, "NonCompliantVersion")
	case strings.HasPrefix(version, "HTTP/"):
		return &Error{505, "BadVersion", Severe}
	default:
		return severe("BadVersion")
	}
	if !isToken(method) {
		return severe("BadMethod")
	}
	r.Method, r.Target = method, strings.TrimRight(target, " ")
	if tidy != rest || r.Target != target {
		j.found(Acceptable, "NonCompliantVersion") // more spaces than the two
	}
	return checkTarget(r.Target, j)
}

func checkTarget(target string, j *judgement) error {
	for i := 0; i < len(target); i++ {
		switch c := target[i]; {
		case c == 0 || c == '\r':
			return severe("BadUri")
		case c == ' ':
			j.found(Acceptable, "SpaceInUri")
		case c < ' ' || c == 0x7f:
			j.found(Ambiguous, "AmbiguousUri")
		}
	}
	return nil
}

func isToken(s string) bool {
	for i := 0; i < len(s); i++ {
		c := s[i]
		if c <= ' ' || c >= 0x7f || strings.IndexByte(`"(),/:;<=>?@[\]{}`, c) >= 0 {
			return false
		}
	}
	return s != ""
}

// frame finds the framing of the body, and whether two servers might disagree about it.
func (r *Request) frame(j *judgement) error {
	f, err := readFraming(r.Header)
	if err != nil {
		return err
	}
	bodiless := r.Method == "GET" || r.Method == "HEAD"
	switch {
	case f.encodings > 0 && f.lengths > 0:
		j.found(Ambiguous, "BothTeClPresent")
	case f.encodings > 0 && (bodiless || r.Minor == 0):
		j.found(Ambiguous, "UndefinedTransferEncodingSemantics")
	case f.lengths > 1:
		j.found(Ambiguous, "DuplicateContentLength")
	case f.lengths > 0 && (bodiless && f.length > 0 || r.old):
		j.found(Ambiguous, "UndefinedContentLengthSemantics")
	case f.lengths > 0 && bodiless:
		j.found(Acceptable, "GetHeadZeroContentLength")
	}
	switch {
	case f.chunked:
		r.Body = Framing{Kind: Chunked}
	case f.lengths > 0:
		r.Body = lengthFraming(f.length)
	}
	return nil
}

// Release frees the memory that is kept for the next head.
func (r *Request) Release() { r.buf, r.Header = nil, nil }
