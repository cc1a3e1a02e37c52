package demo

import (
	"bytes"
	"context"
	"encoding/json"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// client calls the API as any AWS client does: with signed requests in the protocol of each service.
type client struct {
	endpoint, region string
	credentials      sigv4.Credentials
	http             *http.Client
}

// apiError is an error that the API returned.
type apiError struct{ Action, Code, Message string }

func (e *apiError) Error() string { return e.Action + ": " + e.Code + ": " + e.Message }

// json calls an action of a JSON service; out may be nil.
func (c *client) json(ctx context.Context, service, target string, in, out any) error {
	body, err := json.Marshal(in)
	if err != nil {
		return err
	}
	action := target[strings.LastIndexByte(target, '.')+1:]
	answer, status, err := c.send(ctx, service, body,
		map[string]string{"Content-Type": "application/x-amz-json-1.1", "X-Amz-Target": target})
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if status != http.StatusOK {
		var f struct {
			Type    string `json:"__type"`
			Message string `json:"message"`
		}
		if err := json.Unmarshal(answer, &f); err != nil {
			return fmt.Errorf("%s: HTTP status %d", action, status)
		}
		return &apiError{action, f.Type[strings.LastIndexByte(f.Type, '#')+1:], f.Message}
	}
	if out == nil {
		return nil
	}
	return json.Unmarshal(answer, out)
}

// query calls an action of a Query service; out is read from the XML and may be nil.
func (c *client) query(ctx context.Context, service, version, action string, in url.Values, out any) error {
	in.Set("Action", action)
	in.Set("Version", version)
	answer, status, err := c.send(ctx, service, []byte(in.Encode()),
		map[string]string{"Content-Type": "application/x-www-form-urlencoded"})
	if err != nil {
		return fmt.Errorf("%s: %w", action, err)
	}
	if status != http.StatusOK {
		var f struct {
			Code    string `xml:"Error>Code"`
			Message string `xml:"Error>Message"`
		}
		if err := xml.Unmarshal(answer, &f); err != nil {
			return fmt.Errorf("%s: HTTP status %d", action, status)
		}
		return &apiError{action, f.Code, f.Message}
	}
	if out == nil {
		return nil
	}
	return xml.Unmarshal(answer, out)
}

func (c *client) send(ctx context.Context, service string, body []byte, header map[string]string) ([]byte, int, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, c.endpoint+"/", bytes.NewReader(body))
	if err != nil {
		return nil, 0, err
	}
	for k, v := range header {
		req.Header.Set(k, v)
	}
	sigv4.Sign(req, c.credentials, c.region, service, sigv4.HashPayload(body), time.Now())
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, 0, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return answer, resp.StatusCode, err
}
