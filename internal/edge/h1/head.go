package h1

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// bounds limits the size of a head.
type bounds struct {
	line  int // bytes in a line
	head  int // bytes in all lines
	empty int // empty lines before the first line, which are skipped (RFC 9112 2.2)
}

// readHead appends a head to buf, including the empty line at its end.
func readHead(br *bufio.Reader, buf []byte, b bounds) ([]byte, error) {
	line := len(buf) // where the current line begins
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

// cutLine cuts the first line off s. bare means that it ended in a line feed without a carriage return.
func cutLine(s string) (line, rest string, bare bool) {
	line, rest, _ = strings.Cut(s, "\n")
	if n := len(line); n > 0 && line[n-1] == '\r' {
		return line[:n-1], rest, false
	}
	return line, rest, true
}

// judgement collects the worst deviation.
type judgement struct {
	Class   Class
	Reason  string
	foreign bool // a field name has bytes beyond ASCII
	control bool // a value has control characters
}

func (j *judgement) found(c Class, reason string) {
	if c > j.Class {
		j.Class, j.Reason = c, reason
	}
}

// parseFields parses the header lines of a request up to the empty line. It rewrites what the guardian passes
// as ambiguous, so that every target reads it alike: a continuation line is joined to its field, as RFC 9112
// 5.2 allows; a line without a colon becomes a field without a value (alb.md Q10); a line without a name is
// dropped.
func parseFields(s string, fields []Field, j *judgement) ([]Field, error) {
	var more []string // continuation lines of the last field
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

// joined appends continuation lines to the last field, all at once: a head may have ten thousand of them.
func joined(fields []Field, more []string) []Field {
	if len(more) > 0 {
		last := &fields[len(fields)-1]
		last.Value = strings.Trim(last.Value+" "+strings.Join(more, " "), " ")
	}
	return fields
}

func blank(c byte) bool { return c == ' ' || c == '\t' }

// parseStrict parses the header lines of a response. What is ambiguous in a request is malformed here (alb.md
// 5.7: 502), and so is a field name with bytes beyond ASCII.
func parseStrict(s string, fields []Field, j *judgement) ([]Field, error) {
	fields, err := parseFields(s, fields, j)
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
		case isControl(c):
			j.found(Acceptable, "NonCompliantHeader")
			j.control = true
		case c >= 0x80:
			j.found(Acceptable, "NonCompliantHeader")
		}
	}
	return nil
}

// isControl reports whether a byte is not allowed in a field's value or a reason phrase (RFC 9110 5.5, RFC 9112
// 4).
func isControl(c byte) bool { return c < ' ' && c != '\t' || c == 0x7f }

// clean replaces each control character in the values by a space, so that no recipient interprets it. It is
// called after framing, which refuses such characters in its own fields (alb.md 6).
func (j *judgement) clean(fields []Field) {
	if !j.control {
		return
	}
	for i := range fields {
		fields[i].Value = cleaned(fields[i].Value)
	}
}

func cleaned(value string) string {
	if strings.IndexFunc(value, func(r rune) bool { return r < 0x80 && isControl(byte(r)) }) < 0 {
		return value
	}
	b := []byte(value)
	for i, c := range b {
		if isControl(c) {
			b[i] = ' '
		}
	}
	return strings.Trim(string(b), " \t")
}
