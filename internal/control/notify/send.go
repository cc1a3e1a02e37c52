package notify

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"syscall"
	"time"

	"github.com/berthhq/berth/internal/quote"
)

// Request is a POST request to an endpoint.
type Request struct {
	URL    string
	Header [][2]string
	Body   []byte
}

// Outcome is the result of sending a message. Problem is "" if the endpoint has accepted it. Retry is true if another
// attempt may succeed.
type Outcome struct {
	Problem string
	Retry   bool
}

// Sender sends messages to endpoints. Send may be called concurrently, and must return within a bounded time.
type Sender interface {
	Send(ctx context.Context, r *Request) Outcome
}

// Bounds of a request.
const (
	// timeout is how long an endpoint may take to answer, as on AWS.
	timeout = 15 * time.Second
	// maxAnswer is how many bytes of an answer's body are read, so that the connection can be used again.
	maxAnswer = 16 << 10
	// maxHeader is how many bytes the header of an answer has at most.
	maxHeader = 32 << 10
)

// client is the Sender of a server.
type client struct{ http *http.Client }

// NewSender returns a Sender that connects to endpoints on the network. It follows no redirects, uses no proxy, and
// connects to no link-local address, because clouds have metadata services there: see decision 0470.
func NewSender() Sender {
	dialer := &net.Dialer{Timeout: 5 * time.Second, Control: allowed}
	return &client{&http.Client{
		Timeout: timeout,
		CheckRedirect: func(*http.Request, []*http.Request) error {
			return http.ErrUseLastResponse
		},
		Transport: &http.Transport{
			DialContext: dialer.DialContext, TLSHandshakeTimeout: 5 * time.Second, MaxIdleConns: 100,
			MaxIdleConnsPerHost: atOnce, IdleConnTimeout: 30 * time.Second, MaxResponseHeaderBytes: maxHeader,
			ForceAttemptHTTP2: true,
		},
	}}
}

var errAddress = errors.New("messages are not sent to link-local, multicast and unspecified addresses")

// metadata6 is the address of the metadata service of EC2 instances over IPv6.
var metadata6 = netip.MustParseAddr("fd00:ec2::254")

// allowed refuses addresses. It is called after names are resolved, so a name of such an address is refused too.
func allowed(_, address string, _ syscall.RawConn) error {
	to, err := netip.ParseAddrPort(address)
	if err != nil {
		return err
	}
	ip := to.Addr().Unmap()
	if ip.IsLinkLocalUnicast() || ip.IsMulticast() || ip.IsUnspecified() || ip.WithZone("") == metadata6 {
		return errAddress
	}
	return nil
}

// Send implements Sender. As on AWS, a status of 2xx means that the endpoint has accepted the message; after any other
// status below 500, except 429, the message is not sent again.
func (c *client) Send(ctx context.Context, r *Request) Outcome {
	post, err := http.NewRequestWithContext(ctx, http.MethodPost, r.URL, bytes.NewReader(r.Body))
	if err != nil {
		return Outcome{Problem: reason(err), Retry: true}
	}
	for _, h := range r.Header {
		post.Header[h[0]] = []string{h[1]} // as AWS writes them: x-amz-… in lower case
	}
	resp, err := c.http.Do(post)
	if err != nil {
		return Outcome{Problem: reason(err), Retry: !errors.Is(err, errAddress)}
	}
	defer resp.Body.Close()
	_, _ = io.Copy(io.Discard, io.LimitReader(resp.Body, maxAnswer)) // only the status counts
	if resp.StatusCode/100 == 2 {
		return Outcome{}
	}
	return Outcome{
		Problem: fmt.Sprintf("the endpoint answered with status %d", resp.StatusCode),
		Retry:   resp.StatusCode >= 500 || resp.StatusCode == http.StatusTooManyRequests,
	}
}

// reason returns the text of an error without the URL, which may contain a password.
func reason(err error) string {
	if u, ok := errors.AsType[*url.Error](err); ok {
		err = u.Err
	}
	return quote.Text(err.Error())
}
