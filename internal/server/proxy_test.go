package server

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/authority"
	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// freeAddress returns an address at which nothing listens.
func freeAddress(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().String()
}

// keyPair writes a certificate for the name, with its chain and its key, to one file.
func keyPair(t *testing.T, a *authority.Authority, name, path string) {
	t.Helper()
	cert, err := a.Certificate(name)
	if err != nil {
		t.Fatal(err)
	}
	key, err := x509.MarshalPKCS8PrivateKey(cert.PrivateKey)
	if err != nil {
		t.Fatal(err)
	}
	var out []byte
	for _, der := range cert.Certificate {
		out = append(out, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})...)
	}
	out = append(out, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: key})...)
	if err := os.WriteFile(path, out, 0o600); err != nil {
		t.Fatal(err)
	}
}

const nginxConf = `daemon off; pid %[1]s/nginx.pid; error_log stderr; worker_processes 1;
events {}
http { access_log off; client_body_temp_path %[1]s/b; proxy_temp_path %[1]s/p;
  fastcgi_temp_path %[1]s/f; uwsgi_temp_path %[1]s/u; scgi_temp_path %[1]s/s;
  server { listen %[2]s ssl; ssl_certificate %[1]s/pair.pem; ssl_certificate_key %[1]s/pair.pem;
    location / { proxy_pass http://%[3]s; proxy_http_version 1.1; %[4]s } } }
`

const haproxyConf = `defaults
  mode http
  timeout client 10s
  timeout server 10s
  timeout connect 5s
frontend api
  bind %[2]s ssl crt %[1]s/pair.pem
  %[4]s
  default_backend berth
backend berth
  server berth %[3]s
`

// Behind a proxy with TLS, a signature is valid if the proxy does not change the Host that the client signed
// (docs/behind-a-proxy.md). Forwarding headers do not matter.
func TestBehindAProxyWithTLS(t *testing.T) {
	const name = "berth.test"
	s := run(t, func(c *Config) { c.AllowedHosts = []string{name} })
	a, err := authority.Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		program, conf, extra string
		want                 int
	}{
		{"nginx", nginxConf, "proxy_set_header Host $http_host;", http.StatusOK},
		{"nginx", nginxConf, "", http.StatusForbidden}, // by default nginx replaces Host
		{"haproxy", haproxyConf, "", http.StatusOK},
		{"haproxy", haproxyConf, "http-request set-header Host other.test", http.StatusForbidden},
	} {
		t.Run(fmt.Sprint(c.program, " ", c.want), func(t *testing.T) {
			if _, err := exec.LookPath(c.program); err != nil {
				t.Skip(err)
			}
			dir, at := t.TempDir(), freeAddress(t)
			keyPair(t, a, name, filepath.Join(dir, "pair.pem"))
			conf := filepath.Join(dir, "conf")
			if err := os.WriteFile(conf, fmt.Appendf(nil, c.conf, dir, at, s.Addr(), c.extra), 0o600); err != nil {
				t.Fatal(err)
			}
			args := map[string][]string{"nginx": {"-p", dir, "-c", conf}, "haproxy": {"-db", "-f", conf}}[c.program]
			proxy := exec.Command(c.program, args...)
			proxy.Stderr = t.Output()
			if err := proxy.Start(); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				_ = proxy.Process.Signal(os.Interrupt)
				_ = proxy.Wait()
			})
			awaitListener(t, at)
			_, port, err := net.SplitHostPort(at)
			if err != nil {
				t.Fatal(err)
			}
			const payload = "{}"
			req, err := http.NewRequestWithContext(t.Context(), "POST", "https://"+name+":"+port+"/",
				strings.NewReader(payload))
			if err != nil {
				t.Fatal(err)
			}
			req.Header.Set("Content-Type", "application/x-amz-json-1.1")
			req.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113.ListClusters")
			req.Header.Set("X-Forwarded-Host", "evil.example")
			req.Header.Set("X-Forwarded-Proto", "ftp")
			req.Header.Set("Forwarded", "host=evil.example")
			keys := sigv4.Credentials{AccessKeyID: s.dir.AccessKey.ID, SecretAccessKey: s.dir.AccessKey.Secret}
			sigv4.Sign(req, keys, "us-east-1", "ecs", sigv4.HashPayload([]byte(payload)), time.Now())
			resp, err := secureClient(t, at, a.RootPEM()).Do(req)
			if err != nil {
				t.Fatal(err)
			}
			defer resp.Body.Close()
			if refused := resp.StatusCode >= 400; refused != (c.want >= 400) {
				t.Errorf("%s", resp.Status)
			}
		})
	}
}

// awaitListener waits until something listens at the address.
func awaitListener(t *testing.T, address string) {
	t.Helper()
	for deadline := time.Now().Add(10 * time.Second); ; {
		c, err := net.Dial("tcp", address)
		if err == nil {
			c.Close()
			return
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(10 * time.Millisecond)
	}
}
