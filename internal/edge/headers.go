package edge

import (
	"net/netip"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/route"
)

// maxForwarded is the most addresses in X-Forwarded-For (alb.md Q3).
const maxForwarded = 30

// appendRequestHead appends the head for the target (alb.md 5.1).
func (x *exchange) appendRequestHead(out []byte, now time.Time) []byte {
	x.named = names(x.req.Header)
	out = append(out, x.req.Method...)
	out = append(out, ' ')
	out = append(out, x.match.Path...)
	if x.hasQuery {
		out = append(out, '?')
		out = append(out, x.match.Query...)
	}
	out = append(out, " HTTP/1.1\r\n"...)
	out = x.appendForwarded(out)
	out = x.appendHost(out)
	x.entry.TraceID = trace(h1.Get(x.req.Header, traceHeader), now)
	out = appendField(out, traceHeader, x.entry.TraceID)
	for i := range x.req.Header {
		if f := &x.req.Header[i]; x.carries(f) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	switch x.req.Body.Kind {
	case h1.Length:
		out = appendField(out, "Content-Length", strconv.FormatInt(x.req.Body.Length, 10))
	case h1.Chunked:
		out = appendField(out, "Transfer-Encoding", "chunked")
	default:
		if expectsLength(x.req.Method) {
			out = appendField(out, "Content-Length", "0")
		}
	}
	if x.upgrade {
		out = append(out, "Connection: Upgrade\r\nUpgrade: websocket\r\n"...)
	}
	return append(out, "\r\n"...)
}

func expectsLength(method string) bool {
	return method == "POST" || method == "PUT" || method == "PATCH"
}

// carries reports whether a field of the request is forwarded unchanged (alb.md Q9, Q12).
func (x *exchange) carries(f *route.Field) bool {
	if owned(f.Name) && (x.listener.XFFMode != "preserve" || !h1.SameName(f.Name, xffHeader)) {
		return false
	}
	if x.listener.DropInvalid && !plainName(f.Name) {
		x.dropped = true
		return false
	}
	return !x.named || !h1.HasToken(x.req.Header, "Connection", f.Name)
}

// carriesTrailer is carries for the trailer, where no field that the edge sets is forwarded in any mode.
func (x *exchange) carriesTrailer(f *route.Field) bool { return !owned(f.Name) && x.carries(f) }

const xffHeader = "X-Forwarded-For"

// owned reports whether only the edge sets a field of requests, or the field is for this hop only. That
// includes names that a target may take for such a field ("X_Forwarded_For").
func owned(name string) bool {
	name = h1.Likeness(name)
	switch len(name) {
	case 2, 4, 6, 7, 10, 14, 15, 16, 17: // a name of another length needs no closer look
		return is(name, "Host", "Connection", "Keep-Alive", "Proxy-Connection", "Upgrade", "TE", "Transfer-Encoding",
			"Content-Length", "Expect", xffHeader, "X-Forwarded-Proto", "X-Forwarded-Port", traceHeader)
	}
	return false
}

// is reports whether name is one of the names, ignoring case.
func is(name string, names ...string) bool {
	for _, n := range names {
		if h1.SameName(n, name) {
			return true
		}
	}
	return false
}

// names reports whether a Connection field lists more than the standard options, so that further fields are for
// this hop only (alb.md Q9).
func names(header []route.Field) bool {
	for i := range header {
		if is(header[i].Name, "Connection") &&
			!is(header[i].Value, "close", "keep-alive", "upgrade", "keep-alive, upgrade") {
			return true
		}
	}
	return false
}

func plainName(name string) bool {
	for i := 0; i < len(name); i++ {
		c := name[i] | 0x20
		if name[i] != '-' && (name[i] < '0' || name[i] > '9') && (c < 'a' || c > 'z') {
			return false
		}
	}
	return true
}

// appendForwarded appends the fields about the client (alb.md Q1, Q2).
func (x *exchange) appendForwarded(out []byte) []byte {
	if x.listener.XFFMode == "append" {
		out = append(out, "X-Forwarded-For: "...)
		for i := range x.req.Header {
			if f := &x.req.Header[i]; h1.SameName(f.Name, xffHeader) && f.Value != "" {
				out = append(out, f.Value...)
				out = append(out, ", "...)
			}
		}
		if x.listener.XFFClientPort {
			out = x.c.peer.AppendTo(out)
		} else {
			out = x.c.peer.Addr().AppendTo(out)
		}
		out = append(out, "\r\n"...)
	}
	out = appendField(out, "X-Forwarded-Proto", x.scheme())
	return appendField(out, "X-Forwarded-Port", strconv.Itoa(x.c.port))
}

// tooManyForwarded reports whether X-Forwarded-For has too many addresses (alb.md Q3).
func tooManyForwarded(header []route.Field) bool {
	n := 0
	for i := range header {
		if f := &header[i]; h1.SameName(f.Name, xffHeader) && f.Value != "" {
			n += 1 + strings.Count(f.Value, ",")
		}
	}
	return n > maxForwarded
}

// appendHost appends Host for the target (alb.md Q6). If a listener is bound to another port, Host keeps the
// port that the client wrote, so that links made from it work.
func (x *exchange) appendHost(out []byte) []byte {
	if x.listener.PreserveHost {
		for i := range x.req.Header {
			if f := &x.req.Header[i]; h1.SameName(f.Name, "Host") {
				out = appendField(out, "Host", f.Value)
			}
		}
		if h1.Get(x.req.Header, "Host") == "" {
			out = appendField(out, "Host", x.match.Host)
		}
		return out
	}
	host, port := splitHost(strings.ToLower(x.match.Host))
	switch {
	case x.c.bound != x.c.port && port != "":
		host += ":" + port
	case x.c.port == 80 || x.c.port == 443:
	case port != "":
		host += ":" + port
	default:
		host += ":" + strconv.Itoa(x.c.port)
	}
	return appendField(out, "Host", host)
}

// splitHost splits the port off a Host. An IPv6 address keeps its brackets.
func splitHost(s string) (host, port string) {
	i := strings.LastIndexByte(s, ':')
	if i < 0 || strings.IndexByte(s[i:], ']') >= 0 {
		return s, ""
	}
	return s[:i], s[i+1:]
}

// appendResponseHead appends the head for the client, for a body with framing kind.
func (x *exchange) appendResponseHead(out []byte, kind h1.Kind, now time.Time) []byte {
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(x.res.Status), 10)
	out = append(out, ' ')
	out = append(out, x.res.Reason...)
	out = append(out, "\r\n"...)
	x.resNamed = names(x.res.Header)
	for i := range x.res.Header {
		if f := &x.res.Header[i]; x.returns(f) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	out = x.appendSetHeaders(out)
	out = x.appendCookies(out, now)
	switch {
	case kind == h1.Chunked:
		out = append(out, "Transfer-Encoding: chunked\r\n"...)
	case x.res.Length >= 0: // once, however often the target sent it
		out = append(out, "Content-Length: "...)
		out = strconv.AppendInt(out, x.res.Length, 10)
		out = append(out, "\r\n"...)
	}
	if x.res.Status == 101 {
		out = append(out, "Connection: Upgrade\r\n"...)
	} else {
		out = x.appendConnection(out)
	}
	return append(out, "\r\n"...)
}

// returns reports whether a field of the response is passed on unchanged.
func (x *exchange) returns(f *route.Field) bool {
	switch {
	case is(f.Name, "Connection", "Keep-Alive", "Proxy-Connection", "Transfer-Encoding", "Content-Length"):
		return false
	case is(f.Name, "Upgrade"):
		return x.res.Status == 101
	case is(f.Name, "Server"):
		return !x.listener.HideServer
	}
	for i := range x.listener.SetHeader {
		if h1.SameName(x.listener.SetHeader[i].Name, f.Name) {
			return false
		}
	}
	return !x.resNamed || !h1.HasToken(x.res.Header, "Connection", f.Name)
}

func (x *exchange) appendSetHeaders(out []byte) []byte {
	if x.listener != nil {
		for _, f := range x.listener.SetHeader {
			out = appendField(out, f.Name, f.Value)
		}
	}
	return out
}

// appendConnection appends the field that says whether the connection stays open.
func (x *exchange) appendConnection(out []byte) []byte {
	if x.keep {
		return append(out, "Connection: keep-alive\r\n"...)
	}
	return append(out, "Connection: close\r\n"...)
}

func (x *exchange) scheme() string {
	if x.c.tls != nil {
		return "https"
	}
	return "http"
}

// peerOf returns the address of the other end of a connection; it is invalid if that is not a socket.
func peerOf(addr interface{ String() string }) netip.AddrPort {
	p, err := netip.ParseAddrPort(addr.String())
	if err != nil {
		return netip.AddrPortFrom(netip.IPv4Unspecified(), 0)
	}
	return netip.AddrPortFrom(p.Addr().Unmap(), p.Port())
}
