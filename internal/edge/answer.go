package edge

import (
	"net/http"
	"strconv"
	"time"
)

// reasonPhrase knows the status codes of load balancers, too.
func reasonPhrase(status int) string {
	switch status {
	case 460:
		return "Client Closed Request"
	case 463:
		return "Too Many IPs In X-Forwarded-For"
	case 464:
		return "Incompatible Protocol Version"
	}
	return http.StatusText(status)
}

// fail answers with the load balancer's own error page, with Server awselb/2.0 (alb.md 5.7). If part of a
// response was sent already, it only ends the connection.
func (x *exchange) fail(status int, why string) {
	x.entry.ErrorReason = why
	if x.wrote || status == 460 {
		x.entry.Status, x.keep = status, false
		return
	}
	x.answer(status, "text/html", page(status), "")
}

// page is the body of errors and redirects. For a 301 it has 134 bytes, as AWS's.
func page(status int) string {
	title := strconv.Itoa(status) + " " + reasonPhrase(status)
	return "<html>\r\n<head><title>" + title + "</title></head>\r\n<body>\r\n<center><h1>" + title +
		"</h1></center>\r\n</body>\r\n</html>\r\n"
}

// answer sends a response that does not come from a target. location is for redirects.
func (x *exchange) answer(status int, contentType, body, location string) {
	if x.req.Body.Kind != 0 && !x.body.Done() {
		x.keep = false // the rest of the body would be taken for the next request
	}
	x.entry.Status = status
	out := x.out[:0]
	out = append(out, "HTTP/1.1 "...)
	out = strconv.AppendInt(out, int64(status), 10)
	out = append(out, ' ')
	out = append(out, reasonPhrase(status)...)
	out = append(out, "\r\n"...)
	if x.listener == nil || !x.listener.HideServer {
		out = appendField(out, "Server", "awselb/2.0")
	}
	out = appendField(out, "Date", time.Now().UTC().Format(http.TimeFormat))
	if contentType != "" {
		out = appendField(out, "Content-Type", contentType)
	}
	if status != http.StatusNoContent {
		out = appendField(out, "Content-Length", strconv.Itoa(len(body)))
	}
	if location != "" {
		out = appendField(out, "Location", location)
	}
	out = x.appendSetHeaders(out)
	out = x.appendConnection(out)
	out = append(out, "\r\n"...)
	if x.req.Method != http.MethodHead && status != http.StatusNoContent {
		out = append(out, body...)
	}
	x.out = out
	x.wrote = true
	n, err := x.c.Write(out)
	x.entry.Sent += int64(n)
	if err != nil {
		x.keep = false
	}
}

func appendField(out []byte, name, value string) []byte {
	out = append(out, name...)
	out = append(out, ": "...)
	out = append(out, value...)
	return append(out, "\r\n"...)
}
