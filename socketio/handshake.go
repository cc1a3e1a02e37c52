package socketio

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// request is what is kept of the HTTP request that opened a connection.
type request struct {
	header  http.Header
	url     string
	address string
	secure  bool
	host    string
	issued  time.Time
}

func newRequest(r *http.Request) *request {
	return &request{header: r.Header, url: r.URL.RequestURI(), address: r.RemoteAddr, secure: r.TLS != nil, host: r.Host, issued: time.Now()}
}

// Handshake is how a client introduced itself to a namespace.
type Handshake struct {
	req *request
	// Auth is the object the client sent for this namespace, or nil.
	Auth json.RawMessage
}

// Header of the first HTTP request. It must not be changed.
func (h Handshake) Header() http.Header { return h.req.header }

// Query of the first HTTP request.
func (h Handshake) Query() url.Values {
	_, raw, _ := strings.Cut(h.req.url, "?")
	q, _ := url.ParseQuery(raw) // what is wrong in it is left out
	return q
}

// Address of the client, or of the proxy in front of it, with its port.
func (h Handshake) Address() string { return h.req.address }

// Time at which the connection was made.
func (h Handshake) Time() time.Time { return h.req.issued }

// MarshalJSON writes the nine fields by which servers tell each other of sockets.
func (h Handshake) MarshalJSON() ([]byte, error) {
	headers := map[string]string{"host": h.req.host}
	for k, v := range h.req.header {
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
		headers, h.req.issued.Format("Mon Jan 02 2006 15:04:05 GMT-0700 (MST)"), hostOf(h.req.address),
		headers["origin"] != "", h.req.secure, h.req.issued.UnixMilli(), h.req.url, query, auth,
	})
}

func hostOf(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		return strings.Trim(address[:i], "[]")
	}
	return address
}
