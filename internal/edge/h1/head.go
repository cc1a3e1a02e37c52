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

// parseFields reads header lines until the empty one.
func parseFields(s string, fields []Field, j *judgement) ([]Field, error) {
	for {
		var line string
		var bare bool
		line, s, bare = cutLine(s)
		if line == "" {
			return fields, nil
		}
		if bare {
			j.found(Acceptable, "NonCrLfLineTermination")
		}
		f, err := parseField(line, j)
		if err != nil {
			return fields, err
		}
		fields = append(fields, f)
	}
}

func parseField(line string, j *judgement) (Field, error) {
	if line[0] == ' ' || line[0] == '\t' {
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
	if f := fold(name); (f == "transfer-encoding" || f == "content-length") && !strings.EqualFold(name, f) {
		return Field{}, ambiguous("SuspiciousHeader")
	}
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == 0 || c == '\r':
			return Field{}, severe("BadHeader")
		case c < ' ' && c != '\t' || c >= 0x7f:
			j.found(Acceptable, "NonCompliantHeader")
		}
	}
	return Field{name, strings.Trim(value, " \t")}, nil
}

// fold undoes what disguises a header's name: case and underscores. Names that cannot be a disguise come back as they are.
func fold(name string) string {
	if len(name) != len("transfer-encoding") && len(name) != len("content-length") {
		return name
	}
	return strings.ReplaceAll(strings.ToLower(name), "_", "-")
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
