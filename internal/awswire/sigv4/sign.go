package sigv4

import (
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Credentials sign requests. SessionToken is empty for long-term keys. They must not be logged.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
}

// Sign puts a signature into r's headers: of Host, Content-Type and everything X-Amz-…, and of a
// body with the given hash. It sets X-Amz-Date and, for temporary credentials,
// X-Amz-Security-Token.
func Sign(r *http.Request, c Credentials, region, service, payloadHash string, now time.Time) {
	r.Header.Set("X-Amz-Date", now.UTC().Format(timeFormat))
	if c.SessionToken != "" {
		r.Header.Set("X-Amz-Security-Token", c.SessionToken)
	}
	s := newSigned(c, region, service, now)
	for name := range r.Header {
		if name = strings.ToLower(name); name == "content-type" || strings.HasPrefix(name, "x-amz-") {
			s.headers = append(s.headers, name)
		}
	}
	slices.Sort(s.headers)
	sig := signature(c.SecretAccessKey, s.Scope, s.stringToSign(s.canonicalRequest(r, payloadHash)))
	r.Header.Set("Authorization", algorithm+" Credential="+c.AccessKeyID+"/"+s.Scope.String()+
		", SignedHeaders="+strings.Join(s.headers, ";")+", Signature="+sig)
}

// Presign puts a signature into r's query that is valid from now for the given time (at most
// MaxPresign). Only Host is signed of the headers, and the body must be empty.
func Presign(r *http.Request, c Credentials, region, service string, now time.Time, valid time.Duration) {
	s := newSigned(c, region, service, now)
	add := url.Values{
		"X-Amz-Algorithm":     {algorithm},
		"X-Amz-Credential":    {c.AccessKeyID + "/" + s.Scope.String()},
		"X-Amz-Date":          {now.UTC().Format(timeFormat)},
		"X-Amz-Expires":       {strconv.Itoa(int(valid.Seconds()))},
		"X-Amz-SignedHeaders": {"host"},
	}
	if c.SessionToken != "" {
		add.Set("X-Amz-Security-Token", c.SessionToken)
	}
	if r.URL.RawQuery != "" {
		r.URL.RawQuery += "&"
	}
	r.URL.RawQuery += add.Encode()
	sig := signature(c.SecretAccessKey, s.Scope, s.stringToSign(s.canonicalRequest(r, EmptyPayload)))
	r.URL.RawQuery += "&X-Amz-Signature=" + sig
}

func newSigned(c Credentials, region, service string, now time.Time) *Signature {
	return &Signature{
		Scope: Scope{
			AccessKeyID: c.AccessKeyID, Date: now.UTC().Format(dateFormat), Region: region, Service: service,
		},
		headers: []string{"host"}, time: now,
	}
}

// VerifyFrame checks a frame of the telemetry socket: its header lines carry a signature of GET on
// the URL that the connection was opened with, and of the frame's JSON as the payload. handshake is
// the request that opened the connection.
func (v *Verifier) VerifyFrame(
	handshake *http.Request, header http.Header, payload []byte, now time.Time,
) (Identity, error) {
	r := frameRequest(handshake, header)
	return v.Verify(r, HashPayload(payload), now)
}

// SignFrame makes the header lines of a frame, see VerifyFrame. They include Host.
func SignFrame(
	handshake *http.Request, c Credentials, region, service string, payload []byte, now time.Time,
) http.Header {
	r := frameRequest(handshake, http.Header{})
	Sign(r, c, region, service, HashPayload(payload), now)
	r.Header.Set("Host", r.Host)
	return r.Header
}

// SignedAt returns when a request or frame with these header lines was signed, by the signer's clock and in whole
// seconds; zero if they do not say so.
func SignedAt(header http.Header) time.Time {
	at, _ := time.Parse(timeFormat, header.Get("X-Amz-Date"))
	return at
}

func frameRequest(handshake *http.Request, header http.Header) *http.Request {
	r := &http.Request{
		Method: http.MethodGet, URL: handshake.URL, Host: handshake.Host, Header: header, ContentLength: -1,
	}
	if h := header.Get("Host"); h != "" {
		r.Host = h
	}
	if r.Host == "" {
		r.Host = r.URL.Host
	}
	return r
}
