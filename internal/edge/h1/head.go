package h1

import (
	"bufio"
	"errors"
	"io"
	"strings"
)

// readHead reads up to and with the empty line that ends a head, appended to buf. Empty lines before it are passed over. No line may be
// longer than longest, and not all of them together longer than limit.
func readHead(br *bufio.Reader, buf []byte, longest, limit int) ([]byte, error) {
	line := len(buf) // where the present line begins
	for {
		part, err := br.ReadSlice('\n')
		buf = append(buf, part...)
		if len(buf)-line > longest || len(buf) > limit {
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
	Class  Class
	Reason string
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

// parseStrict reads the header lines of a response, where what is ambiguous is malformed (alb.md 5.7: 502).
func parseStrict(s string, fields []Field) ([]Field, error) {
	var j judgement
	fields, err := parseFields(s, fields, &j)
	if err == nil && j.Class >= Ambiguous {
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

// disguises are what servers that are too kind take for the letters and the hyphen of the two names that delimit bodies.
var disguises = strings.NewReplacer("_", "-", "\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-", "\u2014", "-", "\u2015", "-", "\u2212", "-",
	"\ufe58", "-", "\ufe63", "-", "\uff0d", "-", "\u0131", "i", "\u017f", "s")

// disguised reports whether a name is not, but may be taken for, that of a field that delimits the body. The target might see another
// body than the edge does, and in what is left of it a request that no rule has seen: such requests are refused in every mode.
func disguised(name string) bool {
	if len(name) < len("content-length") || !odd(name) {
		return false
	}
	name = strings.ToLower(disguises.Replace(name))
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	return name == "transfer-encoding" || name == "content-length"
}

// odd reports whether a name has anything that could stand for a letter or a single hyphen.
func odd(name string) bool {
	for i := range len(name) {
		if c := name[i]; c == '_' || c >= 0x80 || c == '-' && i > 0 && name[i-1] == '-' {
			return true
		}
	}
	return false
}

// Get returns the value of the first field of the name, in any case, "" if there is none.
func Get(fields []Field, name string) string {
	for i := range fields {
		if len(fields[i].Name) == len(name) && strings.EqualFold(fields[i].Name, name) {
			return fields[i].Value
		}
	}
	return ""
}

// HasToken reports whether a field of the name lists the token, as "Connection: close, x" lists "close".
func HasToken(fields []Field, name, token string) bool {
	for i := range fields {
		if len(fields[i].Name) == len(name) && strings.EqualFold(fields[i].Name, name) && listHas(fields[i].Value, token) {
			return true
		}
	}
	return false
}

func listHas(list, token string) bool {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		if strings.EqualFold(strings.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}
