package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Scope is what a signature claims: the key, and the day, region and service. Nothing is verified
// before Verify.
type Scope struct {
	AccessKeyID string
	Date        string // eight digits
	Region      string
	Service     string
}

// ReadScope returns the scope of the request's signature, for routing; ok is false if it cannot be
// read.
func ReadScope(r *http.Request) (s Scope, ok bool) {
	p, err := Read(r)
	if err != nil {
		return Scope{}, false
	}
	return p.Scope, true
}

func (s Scope) String() string {
	return s.Date + "/" + s.Region + "/" + s.Service + "/" + terminator
}

// Signature is the signature of a request as it was sent. Nothing of it is verified.
type Signature struct {
	Scope
	headers   []string // lower-case
	signature string
	time      time.Time
	token     string
	presigned bool
	expires   time.Duration
}

// Read reads the signature of a request, for [Verifier.Check]. A failure is an *Error.
func Read(r *http.Request) (*Signature, error) {
	s, err := read(r)
	if err != nil {
		return nil, err
	}
	return s, nil
}

func read(r *http.Request) (*Signature, error) {
	if auth := r.Header.Get("Authorization"); auth != "" {
		return parseHeader(r, auth)
	}
	query := parseQuery(r.URL.RawQuery)
	if query.get("X-Amz-Algorithm") != "" || query.get("X-Amz-Signature") != "" {
		return parsePresigned(query)
	}
	return nil, refuse(Missing, "Request is missing Authentication Token")
}

// parseHeader reads `AWS4-HMAC-SHA256 Credential=…, SignedHeaders=…, Signature=…`.
func parseHeader(r *http.Request, auth string) (*Signature, error) {
	name, rest, _ := strings.Cut(strings.TrimSpace(auth), " ")
	if name != algorithm {
		return nil, refuse(Unsupported, "Unsupported AWS 'algorithm': '%s'; this API takes %s.", clip(name), algorithm)
	}
	var credential, headers, signature string
	for part := range strings.SplitSeq(rest, ",") {
		switch k, v, _ := strings.Cut(strings.TrimSpace(part), "="); k {
		case "Credential":
			credential = v
		case "SignedHeaders":
			headers = v
		case "Signature":
			signature = v
		}
	}
	date := r.Header.Get("X-Amz-Date")
	if date == "" {
		date = r.Header.Get("Date")
	}
	var missing []string
	for _, p := range [...]param{{"Credential", credential}, {"Signature", signature}, {"SignedHeaders", headers}} {
		if p.value == "" {
			missing = append(missing, "Authorization header requires '"+p.key+"' parameter.")
		}
	}
	if date == "" {
		missing = append(missing,
			"Authorization header requires existence of either a 'X-Amz-Date' or a 'Date' header.")
	}
	if len(missing) > 0 {
		return nil, refuse(Incomplete, "%s", strings.Join(missing, " "))
	}
	s := &Signature{signature: signature, token: r.Header.Get("X-Amz-Security-Token")}
	return s, s.fill(credential, headers, date)
}

// parsePresigned reads the X-Amz-… parameters of a presigned request.
func parsePresigned(q query) (*Signature, error) {
	if name := q.get("X-Amz-Algorithm"); name != algorithm {
		return nil, refuse(Unsupported, "Unsupported AWS 'algorithm': '%s'; this API takes %s.", clip(name), algorithm)
	}
	for _, k := range []string{"X-Amz-Credential", "X-Amz-Signature", "X-Amz-SignedHeaders", "X-Amz-Date"} {
		if q.get(k) == "" {
			return nil, refuse(Incomplete,
				"AWS query-string parameters must include '%s'. Re-examine the query-string parameters.", k)
		}
	}
	seconds, err := strconv.ParseInt(q.get("X-Amz-Expires"), 10, 32)
	if q.get("X-Amz-Expires") == "" {
		seconds, err = int64(Skew.Seconds()), nil // as when signed in the header
	}
	if err != nil || seconds < 0 || seconds > int64(MaxPresign.Seconds()) {
		return nil, refuse(Incomplete, "X-Amz-Expires must be a number of seconds from 0 to %d.",
			int64(MaxPresign.Seconds()))
	}
	s := &Signature{
		presigned: true, expires: time.Duration(seconds) * time.Second,
		signature: q.get("X-Amz-Signature"), token: q.get("X-Amz-Security-Token"),
	}
	return s, s.fill(q.get("X-Amz-Credential"), q.get("X-Amz-SignedHeaders"), q.get("X-Amz-Date"))
}

// fill reads the parts that both forms share.
func (s *Signature) fill(credential, headers, date string) error {
	var p [5]string
	n := 0
	for part := range strings.SplitSeq(credential, "/") {
		if n < len(p) {
			p[n] = part
		}
		n++
	}
	if n != len(p) {
		return refuse(Incomplete, "Credential must have exactly 5 slash-delimited elements, e.g. "+
			"keyid/date/region/service/term, got '%s'", clip(credential))
	}
	if slices.Contains(p[:], "") {
		return refuse(Incomplete, "Credential must not have empty elements, got '%s'", clip(credential))
	}
	if p[4] != terminator {
		return refuse(Incomplete, "Credential should be scoped with a valid terminator: '%s', not '%s'.",
			terminator, clip(p[4]))
	}
	s.Scope = Scope{AccessKeyID: p[0], Date: p[1], Region: p[2], Service: p[3]}
	s.headers = make([]string, 0, strings.Count(headers, ";")+1)
	for h := range strings.SplitSeq(headers, ";") {
		s.headers = append(s.headers, strings.ToLower(h))
	}
	t, err := parseTime(date)
	if err != nil {
		return refuse(Incomplete, "Date must be in ISO-8601 'basic format'. Got '%s'. See "+
			"http://en.wikipedia.org/wiki/ISO_8601", clip(date))
	}
	s.time = t
	if want := t.UTC().Format(dateFormat); s.Date != want {
		return refuse(Mismatch, "Date in Credential scope does not match YYYYMMDD from ISO-8601 version of "+
			"date from HTTP: '%s' != '%s', from '%s'.",
			clip(s.Date), want, clip(date))
	}
	return nil
}

func parseTime(date string) (time.Time, error) {
	if t, err := time.Parse(timeFormat, date); err == nil {
		return t, nil
	}
	return http.ParseTime(date)
}

// clip keeps a caller's text short enough to be repeated to them.
func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}

// query is a decoded query string in the order it was sent.
type query []param

type param struct{ key, value string }

func (q query) get(key string) string {
	for _, p := range q {
		if p.key == key {
			return p.value
		}
	}
	return ""
}

// parseQuery decodes a query string. What cannot be decoded stays as it is, so that the signature
// covers it.
func parseQuery(raw string) query {
	var q query
	for part := range strings.SplitSeq(raw, "&") {
		if part == "" {
			continue
		}
		k, v, _ := strings.Cut(part, "=")
		q = append(q, param{unescape(k), unescape(v)})
	}
	return q
}

func unescape(s string) string {
	if u, err := url.QueryUnescape(s); err == nil {
		return u
	}
	return s
}
