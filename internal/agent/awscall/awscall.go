// Package awscall makes the agent's calls to AWS JSON services and signs what is sent over its WebSockets.
//
// A Client has no state and is safe for concurrent use. It makes one attempt; the caller decides with
// [Retryable] whether to try again. Errors of the service are *fault.Error.
package awscall

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fault"
)

// Signer signs for one service and region.
type Signer struct {
	Credentials func() sigv4.Credentials // called for each signature, since credentials may be renewed
	Region      string
	Service     string // in the signature's scope: "ecs"
}

// Sign signs r, whose body is payload.
func (s Signer) Sign(r *http.Request, payload []byte) {
	sigv4.Sign(r, s.Credentials(), s.Region, s.Service, sigv4.HashPayload(payload), time.Now())
}

// SignFrame returns the header lines of a telemetry frame on the connection that handshake opened.
func (s Signer) SignFrame(handshake *http.Request, payload []byte) http.Header {
	return sigv4.SignFrame(handshake, s.Credentials(), s.Region, s.Service, payload, time.Now())
}

// Client calls one service.
type Client struct {
	Endpoint     string // "http://127.0.0.1:4566"
	TargetPrefix string // "AmazonEC2ContainerServiceV20141113"
	ContentType  string // "application/x-amz-json-1.1"
	UserAgent    string
	Signer       Signer
	HTTP         *http.Client
}

// Call makes one attempt at an action. If out is nil, the answer is discarded.
func (c *Client) Call(ctx context.Context, action string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, strings.TrimSuffix(c.Endpoint, "/")+"/",
		bytes.NewReader(body))
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	r.Header.Set("Content-Type", c.ContentType)
	r.Header.Set("X-Amz-Target", c.TargetPrefix+"."+action)
	r.Header.Set("User-Agent", c.UserAgent)
	c.Signer.Sign(r, body)
	resp, err := c.HTTP.Do(r)
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(io.LimitReader(resp.Body, 8<<20))
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if resp.StatusCode != http.StatusOK {
		return failure(resp, answer)
	}
	if out == nil {
		return nil
	}
	if err := json.Unmarshal(answer, out); err != nil {
		return fmt.Errorf("%s: answer: %w", action, err)
	}
	return nil
}

// failure returns the error in an answer of an AWS JSON service.
func failure(resp *http.Response, body []byte) error {
	var e struct {
		Type     string `json:"__type"`
		Message  string `json:"message"`
		Message2 string `json:"Message"`
	}
	_ = json.Unmarshal(body, &e) // an answer that is not JSON has only its status
	code := e.Type
	if i := strings.LastIndexByte(code, '#'); i >= 0 {
		code = code[i+1:]
	}
	if code == "" {
		code = "HTTP" + fmt.Sprint(resp.StatusCode)
	}
	if e.Message == "" {
		e.Message = e.Message2
	}
	if e.Message == "" {
		e.Message = resp.Status
	}
	return fault.New(code, "%s", e.Message).WithStatus(resp.StatusCode)
}

// Code returns the AWS code of err, or "" if it is not an answer of the service.
func Code(err error) string {
	if f, ok := errors.AsType[*fault.Error](err); ok {
		return f.Code
	}
	return ""
}

// Retryable reports whether another attempt may succeed: after no answer, an answer 5xx, or throttling.
func Retryable(err error) bool {
	f, ok := errors.AsType[*fault.Error](err)
	if !ok {
		return true
	}
	return f.Status >= 500 || f.Code == "ThrottlingException" || f.Code == "ServerException" ||
		f.Code == "LimitExceededException"
}
