package edge

import (
	"bufio"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"io"
	"math/big"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

// selfSigned makes a certificate for the name.
func selfSigned(t *testing.T, name string) *tls.Certificate {
	t.Helper()
	key := must(ecdsa.GenerateKey(elliptic.P256(), rand.Reader))
	template := &x509.Certificate{SerialNumber: big.NewInt(1), Subject: pkix.Name{CommonName: name},
		DNSNames:  []string{name},
		NotBefore: time.Now().Add(-time.Hour), NotAfter: time.Now().Add(time.Hour)}
	der := must(x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key))
	return &tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key, Leaf: must(x509.ParseCertificate(der))}
}

// Clients and targets use HTTPS. The certificate for clients is chosen by name (alb.md TL2), and that of the target is
// never verified (T4).
func TestTLSBothSides(t *testing.T) {
	certificates := map[string]*tls.Certificate{"a": selfSigned(t, "a.example"), "b": selfSigned(t, "b.example")}
	f := newFront(t, func(c *Config) {
		c.Certificate = func(arn string) (*tls.Certificate, bool) { cert, ok := certificates[arn]; return cert, ok }
	})
	backend := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		io.WriteString(w, r.Header.Get("X-Forwarded-Proto")+" "+r.Header.Get("X-Forwarded-Port"))
	}))
	t.Cleanup(backend.Close)
	f.config.Listeners[0].Protocol, f.config.Listeners[0].Port, f.config.Listeners[0].Certificates = elb.HTTPS,
		443, []string{"a", "b"}
	f.config.TargetGroups[0].Protocol = elb.HTTPS
	f.target("tg", strings.TrimPrefix(backend.URL, "https://"))
	f.apply()
	f.mu.Lock()
	address := f.ports["127.0.0.1:443"].Addr().String()
	f.mu.Unlock()
	for name, want := range map[string]string{
		"a.example": "a.example", "b.example": "b.example", "c.example": "a.example",
	} {
		c, err := tls.Dial("tcp", address, &tls.Config{ServerName: name, InsecureSkipVerify: true})
		if err != nil {
			t.Fatal(err)
		}
		if got := c.ConnectionState().PeerCertificates[0].Subject.CommonName; got != want {
			t.Errorf("%s got the certificate of %s", name, got)
		}
		br := bufio.NewReader(c)
		for range 2 {
			io.WriteString(c, simpleGet)
			res, err := http.ReadResponse(br, nil)
			if err != nil {
				t.Fatal(err)
			}
			if body, _ := io.ReadAll(res.Body); string(body) != "https 443" {
				t.Errorf("%d %q", res.StatusCode, body)
			}
		}
		c.Close()
	}
}

func TestTLSHandshakeThatFailsIs502(t *testing.T) { // alb.md 5.7
	f := newFront(t, nil)
	f.config.TargetGroups[0].Protocol = elb.HTTPS
	f.target("tg", f.rawServer(func(c net.Conn) { io.WriteString(c, "this is not TLS\r\n\r\n") }))
	f.apply()
	if res, _ := f.get("/", nil); res.StatusCode != 502 {
		t.Errorf("%d", res.StatusCode)
	}
}

func TestSecureWebSocket(t *testing.T) {
	cert := selfSigned(t, "a.example")
	f := newFront(t, func(c *Config) {
		c.Certificate = func(string) (*tls.Certificate, bool) { return cert, true }
	})
	f.config.Listeners[0].Protocol, f.config.Listeners[0].Certificates = elb.HTTPS, []string{"a"}
	f.target("tg", f.rawServer(echoUpgrade))
	f.apply()
	c, err := tls.Dial("tcp", f.address(), &tls.Config{InsecureSkipVerify: true})
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	io.WriteString(c, upgradeRequest+"\r\n")
	br := bufio.NewReader(c)
	if res, err := http.ReadResponse(br, nil); err != nil || res.StatusCode != 101 {
		t.Fatal(res, err)
	}
	expect(t, br, "hello")
	big := strings.Repeat("0123456789", 5000)
	go io.WriteString(c, big)
	expect(t, br, big)
	c.CloseWrite()
	if rest, err := io.ReadAll(br); len(rest) > 0 {
		t.Errorf("%q %v", rest, err)
	}
	if e := f.entry(1); e.Type != "wss" {
		t.Errorf("entry %+v", e)
	}
}
