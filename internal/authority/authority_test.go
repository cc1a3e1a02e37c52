package authority

import (
	"crypto/tls"
	"crypto/x509"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"
)

// at is a clock that stands still until it is moved.
type at struct{ time.Time }

func (a *at) now() time.Time { return a.Time }

func start() *at { return &at{time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)} }

func mustOpen(t *testing.T, dir string, clock *at) *Authority {
	t.Helper()
	a, err := Open(dir, clock.now)
	if err != nil {
		t.Fatal(err)
	}
	return a
}

// The contents of the certificates (decision 0320).
func TestShapeOfCertificates(t *testing.T) {
	clock := start()
	a := mustOpen(t, t.TempDir(), clock)
	c, err := a.Certificate("web.internal", "127.0.0.1")
	if err != nil {
		t.Fatal(err)
	}
	root, issuing, leaf := a.Root(), parse(t, c.Certificate[1]), c.Leaf
	if !strings.HasPrefix(root.Subject.CommonName, "Berth Root ") ||
		len(root.Subject.CommonName) != len("Berth Root ")+8 ||
		root.MaxPathLen != 1 || !root.IsCA || root.KeyUsage != x509.KeyUsageCertSign|x509.KeyUsageCRLSign ||
		!root.PermittedDNSDomainsCritical {
		t.Errorf("root %+v", root)
	}
	if !issuing.IsCA || issuing.MaxPathLen != 0 || !issuing.MaxPathLenZero {
		t.Errorf("issuing %+v", issuing)
	}
	if leaf.IsCA || leaf.Subject.String() != "" || leaf.KeyUsage != x509.KeyUsageDigitalSignature ||
		len(leaf.ExtKeyUsage) != 1 || leaf.ExtKeyUsage[0] != x509.ExtKeyUsageServerAuth ||
		leaf.SerialNumber.BitLen() < 64 {
		t.Errorf("leaf %+v", leaf)
	}
	for _, life := range []struct {
		cert *x509.Certificate
		want time.Duration
	}{{root, rootLife}, {issuing, issuingLife}, {leaf, leafLife}} {
		if got := life.cert.NotAfter.Sub(clock.Time); got != life.want {
			t.Errorf("%s is good for %v, want %v", life.cert.Subject, got, life.want)
		}
	}
}

func parse(t *testing.T, der []byte) *x509.Certificate {
	t.Helper()
	c, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// The root that people install permits no name that another person may own (decision 0320), and the
// root of a real name that name alone.
func TestConstraints(t *testing.T) {
	dir := t.TempDir()
	reserved := mustOpen(t, dir, start())
	const registry = "123456789012.dkr.ecr.us-east-1.amazonaws.com"
	one, err := OpenFor(dir, registry, start().now)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		a    *Authority
		name string
		ok   bool
	}{
		{reserved, "localhost", true}, {reserved, "x.localhost", true}, {reserved, "web.test", true},
		{reserved, "a.b.internal", true}, {reserved, "nas.home.arpa", true}, {reserved, "127.0.0.9", true},
		{reserved, "::1", true}, {reserved, "example.com", false}, {reserved, registry, false},
		{reserved, "arpa", false}, {reserved, "nottest", false}, {reserved, "8.8.8.8", false},
		{reserved, "10.0.0.1", false}, {reserved, "2001:db8::1", false}, {one, registry, true},
		{one, "amazonaws.com", false}, {one, "210987654321.dkr.ecr.us-east-1.amazonaws.com", false},
		{one, "localhost", false}, {one, "127.0.0.1", false}, {one, "::1", false},
	} {
		if _, err := c.a.Certificate(c.name); (err == nil) != c.ok {
			t.Errorf("%s of %s: %v", c.name, c.a.name, err)
		}
	}
	for _, name := range []string{"", "x", "../x.y", "a..b", "UP ER.x", strings.Repeat("a", 64) + ".b", "*.x.y"} {
		if _, err := OpenFor(dir, name, start().now); err == nil {
			t.Errorf("%q was accepted as a name", name)
		}
	}
}

// Leaves and issuing certificates are replaced before they expire, roots are not.
func TestRenewal(t *testing.T) {
	clock, dir := start(), t.TempDir()
	a := mustOpen(t, dir, clock)
	get := func() *tls.Certificate {
		c, err := a.Certificate("localhost")
		if err != nil {
			t.Fatal(err)
		}
		return c
	}
	first := get()
	clock.Time = clock.Add(59 * 24 * time.Hour)
	if get() != first {
		t.Error("a leaf was replaced early")
	}
	clock.Time = clock.Add(2 * 24 * time.Hour)
	second := get()
	if second == first || string(second.Certificate[1]) != string(first.Certificate[1]) {
		t.Error("a leaf with a third of its life left was not replaced, or the issuing certificate was")
	}
	clock.Time = clock.Add(250 * 24 * time.Hour) // day 311 of 365
	third := get()
	if string(third.Certificate[1]) == string(second.Certificate[1]) ||
		third.Leaf.NotAfter.Sub(clock.Time) != leafLife {
		t.Error("the issuing certificate was not replaced in time")
	}
	again := mustOpen(t, dir, clock)
	if c, err := again.Certificate("localhost"); err != nil ||
		string(c.Certificate[1]) != string(third.Certificate[1]) || !again.Root().Equal(a.Root()) {
		t.Errorf("another process has other keys: %v", err)
	}
	clock.Time = a.Root().NotAfter.Add(time.Hour)
	if _, err := Open(dir, clock.now); err == nil ||
		!strings.Contains(err.Error(), "root.root.pem expired on 2035-12-30") {
		t.Errorf("an expired root: %v", err)
	}
}

// Processes that open a new directory at the same time agree about the root.
func TestOneRoot(t *testing.T) {
	dir := t.TempDir()
	var wg sync.WaitGroup
	roots := make([]*x509.Certificate, 8)
	for i := range roots {
		wg.Go(func() {
			if a, err := Open(dir, start().now); err == nil {
				roots[i] = a.Root()
			}
		})
	}
	wg.Wait()
	for _, r := range roots {
		if r == nil || !r.Equal(roots[0]) {
			t.Fatal("two roots")
		}
	}
	files, err := filepath.Glob(filepath.Join(dir, "*"))
	if err != nil || len(files) != 1 {
		t.Errorf("%v %v", files, err)
	}
	if info, err := os.Stat(files[0]); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v %v", info.Mode(), err)
	}
}

func TestDamagedFilesStay(t *testing.T) {
	dir := t.TempDir()
	a := mustOpen(t, dir, start())
	if _, err := a.Certificate("localhost"); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{"root.issuing.pem", "root.root.pem"} {
		path := filepath.Join(dir, file)
		good, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := good[:len(good)/2]
		if err := os.WriteFile(path, bad, 0o600); err != nil {
			t.Fatal(err)
		}
		a, err := Open(dir, start().now)
		if err == nil {
			_, err = a.Certificate("localhost")
		}
		if err == nil || !strings.Contains(err.Error(), path+" is damaged") {
			t.Errorf("%s: %v", file, err)
		}
		if now, _ := os.ReadFile(path); string(now) != string(bad) {
			t.Errorf("%s was replaced", file)
		}
		if err := os.WriteFile(path, good, 0o600); err != nil {
			t.Fatal(err)
		}
	}
}

// A client that trusts the root talks to a server with a certificate of it.
func TestHandshake(t *testing.T) {
	a, err := Open(t.TempDir(), time.Now)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := a.Certificate("web.localhost")
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(a.RootPEM()) {
		t.Fatal("no root")
	}
	near, far := net.Pipe()
	go tls.Server(far, &tls.Config{Certificates: []tls.Certificate{*cert}}).Handshake()
	if err := tls.Client(near, &tls.Config{RootCAs: roots, ServerName: "web.localhost"}).Handshake(); err != nil {
		t.Error(err)
	}
}
