package socketio

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is what is kept of the HTTP request that opened a connection. There is one for each client, so the header
// is stored as one string, which takes less memory than a map.
type request struct {
	header  string // lines of "Name: value"
	url     string
	address string
	host    string
	issued  int64 // Unix milliseconds
	secure  bool
}

func newRequest(r *http.Request) *request {
	size := 0
	for k, vs := range r.Header {
		for _, v := range vs {
			size += len(k) + len(v) + 3
		}
	}
	var b strings.Builder
	b.Grow(size)
	for k, vs := range r.Header {
		for _, v := range vs {
			b.WriteString(k)
			b.WriteString(": ")
			b.WriteString(v)
			b.WriteByte('\n') // cannot be in a value
		}
	}
	return &request{
		header: b.String(), url: r.RequestURI, address: r.RemoteAddr, host: r.Host,
		issued: time.Now().UnixMilli(), secure: r.TLS != nil,
	}
}

// Handshake has what a client sent when it connected and joined a namespace.
type Handshake struct {
	req *request
	// Auth is the JSON object that the client sent to join this namespace, or nil. The JavaScript client adds the
	// fields "pid" and "offset" when it wants its connection recovered.
	Auth json.RawMessage
}

// DecodeAuth decodes Auth into v, which is a pointer as for json.Unmarshal. It decodes an empty object if the client
// sent none.
func (h Handshake) DecodeAuth(v any) error {
	if len(h.Auth) == 0 {
		return json.Unmarshal([]byte("{}"), v)
	}
	return json.Unmarshal(h.Auth, v)
}

// Header returns the header of the client's first HTTP request. Each call returns a new copy.
func (h Handshake) Header() http.Header {
	all := make(http.Header)
	for line := range strings.SplitSeq(strings.TrimSuffix(h.req.header, "\n"), "\n") {
		if k, v, ok := strings.Cut(line, ": "); ok {
			all[k] = append(all[k], v)
		}
	}
	return all
}

// Query returns the query parameters of the client's first HTTP request. Malformed ones are left out.
func (h Handshake) Query() url.Values {
	_, raw, _ := strings.Cut(h.req.url, "?")
	q, _ := url.ParseQuery(raw)
	return q
}

// Address returns the IP address and port from which the first HTTP request came: the client's, or those of a proxy in
// front of this server.
func (h Handshake) Address() string { return h.req.address }

// Time returns when the first HTTP request arrived, to the millisecond.
func (h Handshake) Time() time.Time { return time.UnixMilli(h.req.issued) }

// MarshalJSON returns an object with the nine fields that servers of a cluster send each other about a socket.
func (h Handshake) MarshalJSON() ([]byte, error) {
	headers := map[string]string{"host": h.req.host}
	for k, v := range h.Header() {
		headers[strings.ToLower(k)] = strings.Join(v, ", ")
	}
	query := map[string]string{}
	for k, v := range h.Query() {
		query[k] = v[len(v)-1]
	}
	auth := h.Auth
	if auth == nil {
		auth = json.RawMessage("{}")
	}
	return json.Marshal(struct {
		Headers map[string]string `json:"headers"`
		Time    string            `json:"time"`
		Address string            `json:"address"`
		XDomain bool              `json:"xdomain"`
		Secure  bool              `json:"secure"`
		Issued  int64             `json:"issued"`
		URL     string            `json:"url"`
		Query   map[string]string `json:"query"`
		Auth    json.RawMessage   `json:"auth"`
	}{
		headers, h.Time().Format("Mon Jan 02 2006 15:04:05 GMT-0700 (MST)"), hostOf(h.req.address),
		headers["origin"] != "", h.req.secure, h.req.issued, h.req.url, query, auth,
	})
}

// hostOf returns the address without its port, and an IPv6 address without its brackets.
func hostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}
