package h1

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// bounds limit what is read of a head.
type bounds struct {
	line  int // bytes of one line
	head  int // bytes of all lines
	empty int // empty lines before the first one, which are skipped (RFC 9112 2.2)
}

// readHead appends a head to buf, up to and with the empty line that ends it.
func readHead(br *bufio.Reader, buf []byte, b bounds) ([]byte, error) {
	line := len(buf) // where the present line begins
	skipped := 0
	for {
		part, err := br.ReadSlice('\n')
		buf = append(buf, part...)
		if len(buf)-line > b.line || len(buf) > b.head {
			if line == 0 {
				return buf, &Error{414, "the request line is longer than 16K", Severe}
			}
			return buf, severe("the header is too large")
		}
		if errors.Is(err, bufio.ErrBufferFull) {
			continue
		}
		if err != nil {
			if errors.Is(err, io.EOF) && len(buf) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return buf, err
		}
		if text := buf[line:]; len(text) == 1 || len(text) == 2 && text[0] == '\r' {
			if line > 0 {
				return buf, nil
			}
			if skipped++; skipped > b.empty {
				return buf, severe("too many empty lines before the head")
			}
			buf = buf[:0]
			continue
		}
		line = len(buf)
	}
}

// cutLine takes the first line off s, without its end. bare tells that it ended in a lone line feed.
func cutLine(s string) (line, rest string, bare bool) {
	line, rest, _ = strings.Cut(s, "\n")
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1], rest, false
	}
	return line, rest, true
}

// judgement collects the worst that is found.
type judgement struct {
	Class   Class
	Reason  string
	foreign bool // the name of a field has bytes beyond ASCII
}

func (j *judgement) found(c Class, reason string) {
	if c > j.Class {
		j.Class, j.Reason = c, reason
	}
}

// parseFields reads the header lines of a request until the empty one. Of what the guardian lets pass as ambiguous it makes what every
// target reads alike: a line that goes on with the field before it is joined to it, as RFC 9112 5.2 allows, a line without a colon is a
// field without a value (alb.md Q10), and one without a name is left out.
func parseFields(s string, fields []Field, j *judgement) ([]Field, error) {
	var more []string // lines that go on with the last field
	for {
		var line string
		var bare bool
		line, s, bare = cutLine(s)
		if line == "" {
			return joined(fields, more), nil
		}
		if bare {
			j.found(Acceptable, "NonCrLfLineTermination")
		}
		switch {
		case line[0] == ':' || blank(line[0]) && strings.Trim(line, " \t") == "":
			if err := checkValue(line, j); err != nil {
				return fields, err
			}
			j.found(Ambiguous, "EmptyHeader")
			continue
		case blank(line[0]) && len(fields) > 0:
			if err := checkValue(line, j); err != nil {
				return fields, err
			}
			j.found(Ambiguous, "MultilineHeader")
			more = append(more, strings.Trim(line, " \t"))
			continue
		case strings.IndexByte(line, ':') < 0 && isToken(line): // with anything else in it, it is no name either
			j.found(Ambiguous, "MissingHeaderColon")
			line += ":"
		}
		f, err := parseField(line, j)
		if err != nil {
			return fields, err
		}
		fields, more = append(joined(fields, more), f), more[:0]
	}
}

// joined gives the last field the lines that go on with it, all at once: a head may have ten thousand of them.
func joined(fields []Field, more []string) []Field {
	if len(more) > 0 {
		last := &fields[len(fields)-1]
		last.Value = strings.Trim(last.Value+" "+strings.Join(more, " "), " ")
	}
	return fields
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// parseStrict reads the header lines of a response. What is ambiguous is malformed here (alb.md 5.7: 502), and so is a name with
// bytes beyond ASCII.
func parseStrict(s string, fields []Field) ([]Field, error) {
	var j judgement
	fields, err := parseFields(s, fields, &j)
	if err == nil && (j.Class >= Ambiguous || j.foreign) {
		err = ambiguous(j.Reason)
	}
	return fields, err
}

func parseField(line string, j *judgement) (Field, error) {
	if blank(line[0]) {
		return Field{}, ambiguous("MultilineHeader")
	}
	name, value, ok := strings.Cut(line, ":")
	switch {
	case !ok:
		return Field{}, ambiguous("MissingHeaderColon")
	case name == "":
		return Field{}, ambiguous("EmptyHeader")
	}
	for i := 0; i < len(name); i++ {
		switch c := name[i]; {
		case c <= ' ' || c == 0x7f:
			return Field{}, ambiguous("SuspiciousHeader")
		case c >= 0x80:
			j.found(Acceptable, "NonCompliantHeader")
			j.foreign = true
		}
	}
	if disguised(name) {
		return Field{}, ambiguous("SuspiciousHeader")
	}
	if err := checkValue(value, j); err != nil {
		return Field{}, err
	}
	return Field{name, strings.Trim(value, " \t")}, nil
}

func checkValue(value string, j *judgement) error {
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == 0 || c == '\r':
			return severe("BadHeader")
		case c < ' ' && c != '\t' || c >= 0x7f:
			j.found(Acceptable, "NonCompliantHeader")
		}
	}
	return nil
}
