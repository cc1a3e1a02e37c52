// Package quote makes text of others safe to print: names, reasons, log lines and errors that came
// over the network may hold terminal escape sequences, line ends that forge another line, or
// characters that reverse the direction of what follows.
//
// Code that prints for people uses it: Fprintf instead of fmt.Fprintf, or Text and Lines.
// Package log/slog's TextHandler quotes by itself.
package quote

import (
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf16"
	"unicode/utf8"
)

// Text returns s as one line with every character that is not graphic (unicode.IsGraphic) and
// every byte that is not UTF-8 replaced by its escape in Go: "\x1b", "\n", "\u202e". Other text,
// backslashes included, stays as it is, so quoting twice is quoting once.
func Text(s string) string { return escape(s, "") }

// Lines is Text, but keeps line feeds and tabs.
func Lines(s string) string { return escape(s, "\n\t") }

func escape(s, keep string) string {
	bad := func(r rune) bool { return !unicode.IsGraphic(r) && !strings.ContainsRune(keep, r) }
	if utf8.ValidString(s) && strings.IndexFunc(s, bad) < 0 {
		return s
	}
	var b strings.Builder
	for s != "" {
		r, size := utf8.DecodeRuneInString(s)
		switch {
		case r == utf8.RuneError && size == 1:
			fmt.Fprintf(&b, `\x%02x`, s[0])
		case bad(r):
			b.WriteString(strings.Trim(strconv.QuoteRuneToASCII(r), "'"))
		default:
			b.WriteRune(r)
		}
		s = s[size:]
	}
	return b.String()
}

// JSON is Text for a text in JSON: what it replaces is inside strings, and the result means the same.
func JSON(text []byte) []byte {
	var b []byte
	for _, r := range string(text) {
		switch {
		case unicode.IsGraphic(r) || r == '\n' || r == '\t':
			b = utf8.AppendRune(b, r)
		case r > 0xffff:
			high, low := utf16.EncodeRune(r)
			b = fmt.Appendf(b, `\u%04x\u%04x`, high, low)
		default:
			b = fmt.Appendf(b, `\u%04x`, r)
		}
	}
	return b
}

// Fprintf is fmt.Fprintf with every argument's text quoted by Text. The format is not quoted: it is
// the program's own.
func Fprintf(w io.Writer, format string, args ...any) (int, error) {
	if false {
		_ = fmt.Sprintf(format, args...) // shows go vet that this function formats
	}
	quoted := make([]any, len(args))
	for i, a := range args {
		quoted[i] = argument{a}
	}
	return fmt.Fprintf(w, format, quoted...)
}

// argument formats a value as fmt does and quotes the result.
type argument struct{ value any }

// Format implements fmt.Formatter.
func (a argument) Format(f fmt.State, verb rune) {
	// An error means that the writer of Fprintf failed; Fprintf itself returns it.
	_, _ = io.WriteString(f, Text(fmt.Sprintf(fmt.FormatString(f, verb), a.value)))
}
