package sigv4

import (
	"cmp"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"path"
	"slices"
	"strconv"
	"strings"
)

// canonicalRequest returns the text of the request that the signature covers.
func (s *Signature) canonicalRequest(r *http.Request, payloadHash string) string {
	b := make([]byte, 0, 512)
	for _, line := range [...]string{r.Method, canonicalPath(r), canonicalQuery(r.URL.RawQuery)} {
		b = append(append(b, line...), '\n')
	}
	for _, h := range s.headers {
		b = append(append(b, h...), ':')
		b = append(append(b, headerValue(r, h)...), '\n')
	}
	b = append(b, '\n')
	for i, h := range s.headers {
		if i > 0 {
			b = append(b, ';')
		}
		b = append(b, h...)
	}
	b = append(append(b, '\n'), payloadHash...)
	return string(b)
}

func (s *Signature) stringToSign(canonical string) string {
	return algorithm + "\n" + s.time.UTC().Format(timeFormat) + "\n" + s.Scope.String() + "\n" +
		HashPayload([]byte(canonical))
}

// signature derives the day's key from the secret and signs with it.
func signature(secret string, scope Scope, text string) string {
	return sign(signingKey(secret, scope), text)
}

// signingKey returns the key of one day, region and service, which signs any number of requests.
func signingKey(secret string, scope Scope) []byte {
	key := []byte("AWS4" + secret)
	for _, part := range []string{scope.Date, scope.Region, scope.Service, terminator} {
		key = mac(key, part)
	}
	return key
}

func sign(key []byte, text string) string { return hex.EncodeToString(mac(key, text)) }

func mac(key []byte, text string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(text))
	return h.Sum(nil)
}

// canonicalPath returns the cleaned path, escaped twice, as every service but S3 has it.
func canonicalPath(r *http.Request) string {
	p := r.URL.EscapedPath()
	if p == "" {
		return "/"
	}
	clean := path.Clean("/" + p)
	if strings.HasSuffix(p, "/") && clean != "/" {
		clean += "/"
	}
	return escape(clean, true)
}

// canonicalQuery returns the query decoded, encoded again in one way, and sorted: the wire may have '+' for a space.
func canonicalQuery(raw string) string {
	q := parseQuery(raw)
	q = slices.DeleteFunc(q, func(p param) bool { return p.key == "X-Amz-Signature" })
	for i, p := range q {
		q[i] = param{escape(p.key, false), escape(p.value, false)}
	}
	slices.SortFunc(q, func(a, b param) int { return cmp.Or(cmp.Compare(a.key, b.key), cmp.Compare(a.value, b.value)) })
	var b strings.Builder
	for i, p := range q {
		if i > 0 {
			b.WriteByte('&')
		}
		b.WriteString(p.key + "=" + p.value)
	}
	return b.String()
}

// headerValue returns a header's values joined by commas, each with its white space trimmed and folded.
func headerValue(r *http.Request, name string) string {
	if name == "host" {
		return cmp.Or(r.Host, r.URL.Host)
	}
	values := r.Header[http.CanonicalHeaderKey(name)]
	if len(values) == 0 && name == "content-length" && r.ContentLength >= 0 {
		return strconv.FormatInt(r.ContentLength, 10)
	}
	if len(values) == 1 && isFolded(values[0]) {
		return values[0]
	}
	values = slices.Clone(values)
	for i, v := range values {
		values[i] = strings.Join(strings.Fields(v), " ")
	}
	return strings.Join(values, ",")
}

// isFolded reports whether a header's value has no white space but single spaces between words.
func isFolded(v string) bool {
	space := true // before the first word
	for i := range len(v) {
		c := v[i]
		if c < ' ' || c > '~' || c == ' ' && space {
			return false
		}
		space = c == ' '
	}
	return !space || v == ""
}

// escape encodes everything but unreserved characters (and, in a path, slashes).
func escape(s string, slash bool) string {
	const digits = "0123456789ABCDEF"
	var b strings.Builder
	for i := range len(s) {
		c := s[i]
		switch {
		case 'a' <= c && c <= 'z', 'A' <= c && c <= 'Z', '0' <= c && c <= '9',
			c == '-', c == '_', c == '.', c == '~', slash && c == '/':
			b.WriteByte(c)
		default:
			b.WriteByte('%')
			b.WriteByte(digits[c>>4])
			b.WriteByte(digits[c&15])
		}
	}
	return b.String()
}
