package cli

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
	"syscall"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/config"
)

// client sends requests to a server: to its pages under /_berth and to its APIs.
type client struct {
	endpoint, region string
	credentials      sigv4.Credentials
	whose            string // where the credentials come from, for messages
	http             *http.Client
}

// maxAnswer is the most bytes of an answer that a client reads.
const maxAnswer = 64 << 20

// connect finds the server that the user means. That is the server of the data directory, with the
// directory's key. But if the terminal has exported the endpoint and the key of a server, as berth env and
// the demo print them, it is that server, unless --data or --listen is given. If no server runs with the
// default data directory, commands that only read use a demo of the same user.
func (p *place) connect(io streams) (*client, error) {
	if err := p.findDemo(io); err != nil {
		return nil, err
	}
	c := &client{http: &http.Client{Timeout: 30 * time.Second}}
	exported := os.Getenv("AWS_ACCESS_KEY_ID") != ""
	id, secret, err := config.Credentials(p.data)
	p.region = cmp.Or(p.region, exportedRegion())
	if exported && (err != nil || p.exported()) {
		c.credentials = sigv4.Credentials{AccessKeyID: os.Getenv("AWS_ACCESS_KEY_ID"),
			SecretAccessKey: os.Getenv("AWS_SECRET_ACCESS_KEY"),
			SessionToken:    os.Getenv("AWS_SESSION_TOKEN")}
		c.whose = "the environment (AWS_ACCESS_KEY_ID)"
		if p.listen == "" {
			c.endpoint = strings.TrimSuffix(os.Getenv("AWS_ENDPOINT_URL"), "/")
		}
	} else if err != nil {
		return nil, noServer(p.data, err)
	} else {
		c.credentials = sigv4.Credentials{AccessKeyID: id, SecretAccessKey: secret}
		c.whose = "the data directory " + p.data
	}
	if err := p.resolve(); err != nil {
		return nil, err
	}
	c.endpoint, c.region = cmp.Or(c.endpoint, p.endpoint()), p.region
	return c, nil
}

// get fetches a page under /_berth and decodes its JSON.
func (c *client) get(ctx context.Context, page string, query url.Values, into any) error {
	return c.call(ctx, http.MethodGet, "berth", "/_berth/"+page+"?"+query.Encode(), nil, "", into)
}

// post calls an action under /_berth.
func (c *client) post(ctx context.Context, page string, into any) error {
	return c.call(ctx, http.MethodPost, "berth", "/_berth/"+page, nil, "", into)
}

// logs calls an action of CloudWatch Logs.
func (c *client) logs(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	return c.call(ctx, http.MethodPost, "logs", "/", body, "Logs_20140328."+action, out)
}

func (c *client) call(ctx context.Context, method, service, path string, body []byte, target string, into any) error {
	req, err := http.NewRequestWithContext(ctx, method, c.endpoint+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	if target != "" {
		req.Header.Set("X-Amz-Target", target)
		req.Header.Set("Content-Type", "application/x-amz-json-1.1")
	}
	sigv4.Sign(req, c.credentials, c.region, service, sigv4.HashPayload(body), time.Now())
	resp, err := c.http.Do(req)
	if err != nil {
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		return &unreachable{c.endpoint, err}
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		return c.refusal(resp)
	}
	if into == nil {
		return nil
	}
	return json.NewDecoder(io.LimitReader(resp.Body, maxAnswer)).Decode(into)
}

// unreachable is the error when nothing answers at the server's address.
type unreachable struct {
	endpoint string
	cause    error
}

func (e *unreachable) Error() string {
	if errors.Is(e.cause, syscall.ECONNREFUSED) {
		return "no server answers at " + e.endpoint +
			"; start it with berth server, name another with --data or --listen, " +
			"or export the endpoint and the key that berth env, or a demo in its own terminal, prints"
	}
	return fmt.Sprintf("no server answers at %s (%v)", e.endpoint, e.cause)
}

func (e *unreachable) Unwrap() error { return e.cause }

// refused is an answer with an error status.
type refused struct {
	status int
	code   string // AWS's error code; "" for pages under /_berth
	text   string
}

func (e *refused) Error() string { return e.text }

// refusal reads an answer with an error status. A key that the server does not know usually means that the user
// has another server in mind, so the message says where the key comes from.
func (c *client) refusal(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 4096)) // without a body there is only the status
	text, code := cmp.Or(strings.TrimSpace(string(body)), resp.Status), ""
	if resp.Header.Get("Content-Type") == "application/x-amz-json-1.1" {
		var f struct {
			Type    string `json:"__type"`
			Message string
		}
		if json.Unmarshal(body, &f) == nil && f.Message != "" {
			code = f.Type[strings.LastIndexByte(f.Type, '#')+1:]
			text = code + ": " + f.Message
		}
	}
	text, _, _ = strings.Cut(text, "\n") // the rest of AWS's text is what the signature was made of
	e := &refused{resp.StatusCode, code, text}
	if resp.StatusCode == http.StatusForbidden {
		e.text = fmt.Sprintf("the server at %s refuses the key %s of %s: %s\n"+
			"A server knows the key of its own data directory: name that with --data, or a server's "+
			"address with --listen,\n"+
			"or export the endpoint and the key that berth env, or a demo in its own terminal, prints.",
			c.endpoint, c.credentials.AccessKeyID, c.whose, text)
	}
	return e
}
