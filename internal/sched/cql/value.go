package cql

import (
	"cmp"
	"strconv"
	"strings"
	"time"
)

// kind is the type of a subject's values. It decides how literals are read and compared.
type kind int

const (
	kindText kind = iota
	kindBool
	kindNumber
	kindVersion
	kindTime
)

// value is one value. text is always set; the other fields depend on the kind.
type value struct {
	text    string
	number  float64
	numeric bool // for text: it is a number, which is in number
	version []int
	when    time.Time
}

// literal describes what may be written for a kind.
func (k kind) literal() string {
	switch k {
	case kindBool:
		return "true or false"
	case kindNumber:
		return "a whole number"
	case kindVersion:
		return "a version such as 1.98.0"
	case kindTime:
		return "a date such as 2026-01-31 or a time such as 2026-01-31T10:00:00Z"
	}
	return "text, in quotes if it holds blanks or signs"
}

func (k kind) parse(text string) (value, bool) {
	switch k {
	case kindBool:
		b := strings.EqualFold(text, "true")
		return boolValue(b), b || strings.EqualFold(text, "false")
	case kindNumber:
		n, err := strconv.ParseInt(text, 10, 64)
		return value{text: text, number: float64(n)}, err == nil
	case kindVersion:
		v, ok := parseVersion(text)
		return value{text: text, version: v}, ok
	case kindTime:
		t, ok := parseTime(text)
		return value{text: text, when: t}, ok
	}
	return textValue(text), true
}

// compare orders two values of the kind. Texts are ordered as numbers if both are numbers, else
// byte by byte: AWS does not say how attributes are ordered.
func (k kind) compare(a, b value) int {
	switch k {
	case kindNumber:
		return cmp.Compare(a.number, b.number)
	case kindVersion:
		return compareVersions(a.version, b.version)
	case kindTime:
		return a.when.Compare(b.when)
	}
	if a.numeric && b.numeric {
		return cmp.Compare(a.number, b.number)
	}
	return strings.Compare(a.text, b.text)
}

// equal compares text exactly: "1.0" and "1" are different attribute values, although neither is
// less.
func (k kind) equal(a, b value) bool {
	if k == kindText || k == kindBool {
		return a.text == b.text
	}
	return k.compare(a, b) == 0
}

func textValue(s string) value {
	v := value{text: s}
	if s != "" && strings.IndexByte("+-.0123456789", s[0]) >= 0 {
		n, err := strconv.ParseFloat(s, 64)
		v.number, v.numeric = n, err == nil
	}
	return v
}

func boolValue(b bool) value { return value{text: strconv.FormatBool(b)} }

// parseVersion reads whole numbers separated by dots, with an optional leading "v". It ignores a
// suffix after "-" or "+".
func parseVersion(s string) ([]int, bool) {
	s = strings.TrimPrefix(s, "v")
	if i := strings.IndexAny(s, "-+"); i >= 0 {
		s = s[:i]
	}
	var list []int
	for part := range strings.SplitSeq(s, ".") {
		n, err := strconv.ParseUint(part, 10, 31)
		if err != nil {
			return nil, false
		}
		list = append(list, int(n))
	}
	return list, true
}

// compareVersions compares number by number. Missing numbers count as zero, so 1.2 equals 1.2.0.
func compareVersions(a, b []int) int {
	for i := range max(len(a), len(b)) {
		var x, y int
		if i < len(a) {
			x = a[i]
		}
		if i < len(b) {
			y = b[i]
		}
		if x != y {
			return cmp.Compare(x, y)
		}
	}
	return 0
}

// parseTime reads a date (midnight UTC) or an ISO time. A time without a zone is UTC.
func parseTime(s string) (time.Time, bool) {
	for _, layout := range []string{
		time.DateOnly, time.RFC3339, "2006-01-02T15:04:05", "2006-01-02T15:04", "2006-01-02T15:04Z07:00",
		"2006-01-02T15:04:05Z0700", "20060102T150405Z0700",
	} {
		if t, err := time.Parse(layout, s); err == nil {
			return t, true
		}
	}
	return time.Time{}, false
}
