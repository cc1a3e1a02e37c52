package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/authority"
)

// secureClient returns a client that connects to one address for every name, and trusts only the given root.
func secureClient(t *testing.T, address string, root []byte) *http.Client {
	t.Helper()
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(root) {
		t.Fatal("no root")
	}
	transport := &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, "tcp", address)
		}}
	t.Cleanup(transport.CloseIdleConnections)
	return &http.Client{Transport: transport}
}

// The registry answers with TLS at its name, to clients that trust the root of that name. Nothing else is served there.
func TestRegistryByName(t *testing.T) {
	s := run(t, func(c *Config) { c.RegistryTLS = "127.0.0.1:0" })
	const host = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
	a, err := authority.OpenFor(s.dir.Sub("ca"), host, time.Now)
	if err != nil {
		t.Fatal(err)
	}
	_, pem := do(t, s, "GET", "/_berth/ca.pem", "", nil)
	for _, c := range []struct {
		root []byte
		url  string
		want int // 0: no TLS connection
	}{
		{a.RootPEM(), "https://" + host + "/v2/", 401},
		{a.RootPEM(), "https://" + host + "/", 404},
		{a.RootPEM(), "https://" + host + "/_berth/metrics", 404},
		{a.RootPEM(), "https://localhost/v2/", 0},
		{[]byte(pem), "https://localhost/v2/", 401},
		{[]byte(pem), "https://" + host + "/v2/", 0},
		{a.RootPEM(), "https://123456789012.dkr.ecr.eu-west-2.amazonaws.com/v2/", 0}, // no repository is in that region
		{a.RootPEM(), "https://210987654321.dkr.ecr.us-east-1.amazonaws.com/v2/", 0},
	} {
		resp, err := secureClient(t, s.secure.listener.Addr().String(), c.root).Get(c.url)
		if err != nil {
			if c.want != 0 {
				t.Errorf("%s: %v", c.url, err)
			}
			continue
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		resp.Body.Close()
		if resp.StatusCode != c.want {
			t.Errorf("%s: %s, want %d", c.url, resp.Status, c.want)
		}
	}
	entries, err := os.ReadDir(s.dir.Sub("ca/names"))
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		if !strings.HasPrefix(e.Name(), host) {
			t.Errorf("keys were made for %s", e.Name())
		}
	}
}
