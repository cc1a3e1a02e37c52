package h1

import "strings"

// SameName reports whether two field names or tokens are equal, ignoring the case of ASCII letters. Unlike with
// strings.EqualFold, where "\u017f" equals "s", a letter beyond ASCII never equals an ASCII letter: it takes
// more bytes.
func SameName(a, b string) bool { return len(a) == len(b) && strings.EqualFold(a, b) }

// disguises maps what lenient servers take for letters and hyphens.
var disguises = strings.NewReplacer("_", "-", "\u2010", "-", "\u2011", "-", "\u2012", "-", "\u2013", "-",
	"\u2014", "-", "\u2015", "-", "\u2212", "-",
	"\ufe58", "-", "\ufe63", "-", "\uff0d", "-", "\u0131", "i", "\u017f", "s", "\u212a", "k")

// Likeness returns the name that a lenient server may take a field name for, in lower case if it differs from
// the name: CGI and its successors read "X_Forwarded_For" as "X-Forwarded-For".
func Likeness(name string) string {
	if !odd(name) {
		return name
	}
	name = strings.ToLower(disguises.Replace(name))
	for strings.Contains(name, "--") {
		name = strings.ReplaceAll(name, "--", "-")
	}
	return name
}

// disguised reports whether a name is not, but may be taken for, that of a field that delimits the body. The
// target might see another body than the edge, and find a request after it that no rule has seen. Such requests
// are refused in every mode.
func disguised(name string) bool {
	if len(name) < len("content-length") || !odd(name) {
		return false
	}
	name = Likeness(name)
	return name == "transfer-encoding" || name == "content-length"
}

// odd reports whether a name has anything that may be taken for a letter or a single hyphen.
func odd(name string) bool {
	for i := range len(name) {
		if c := name[i]; c == '_' || c >= 0x80 || c == '-' && i > 0 && name[i-1] == '-' {
			return true
		}
	}
	return false
}

// Get returns the value of the first field with the name, in any case, or "".
func Get(fields []Field, name string) string {
	for i := range fields {
		if SameName(fields[i].Name, name) {
			return fields[i].Value
		}
	}
	return ""
}

// HasToken reports whether a field with the name lists the token, as "Connection: close, x" lists "close".
func HasToken(fields []Field, name, token string) bool {
	for i := range fields {
		if SameName(fields[i].Name, name) && listHas(fields[i].Value, token) {
			return true
		}
	}
	return false
}

func listHas(list, token string) bool {
	for list != "" {
		var item string
		item, list, _ = strings.Cut(list, ",")
		if SameName(strings.Trim(item, " \t"), token) {
			return true
		}
	}
	return false
}

// Persists reports whether the sender of a message of HTTP/1.minor keeps its connection open (RFC 9112 9.3).
func Persists(minor int, header []Field) bool {
	return !HasToken(header, "Connection", "close") && (minor > 0 || HasToken(header, "Connection", "keep-alive"))
}
