package cli

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/trust"
)

const caHost = "123456789012.dkr.ecr.eu-west-2.amazonaws.com"

// caData returns the data directory of a server that has run.
func caData(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	d, err := config.Open(dir, defaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Remember(config.Address{
		Listen: "127.0.0.1:4566", Region: "eu-west-2", RegistryTLS: "127.0.0.9:443",
	}); err != nil {
		t.Fatal(err)
	}
	return dir
}

func TestCAPrintsRoots(t *testing.T) {
	dir := caData(t)
	for _, tt := range []struct {
		args   []string
		domain string // that the printed root permits
		stderr string
	}{
		{nil, "internal", "NODE_EXTRA_CA_CERTS=berth.pem"},
		{[]string{"--registry"}, caHost, "127.0.0.9 " + caHost},
		{[]string{"--registry", "--region", "us-east-1"},
			"123456789012.dkr.ecr.us-east-1.amazonaws.com", "127.0.0.9 1234"},
	} {
		out, stderr, code := call(append([]string{"ca", "--data", dir}, tt.args...)...)
		block, _ := pem.Decode([]byte(out))
		if code != 0 || block == nil || !strings.Contains(stderr, tt.stderr) {
			t.Fatalf("%q = %d %q %q", tt.args, code, out, stderr)
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil || !strings.Contains(" "+strings.Join(cert.PermittedDNSDomains, " ")+" ", " "+tt.domain+" ") {
			t.Errorf("%q permits %q, %v", tt.args, cert.PermittedDNSDomains, err)
		}
		again, _, _ := call(append([]string{"ca", "--data", dir}, tt.args...)...)
		if again != out {
			t.Errorf("%q printed another root the second time", tt.args)
		}
		for line := range strings.Lines(stderr) {
			if len(strings.TrimSuffix(line, "\n")) > width {
				t.Errorf("a line of more than %d columns: %s", width, line)
			}
		}
	}
	if out, _, code := call("ca", "--data", dir, "--json"); code != 0 ||
		!strings.Contains(out, `"`+caHost+`": "-----BEGIN CERTIFICATE-----`) {
		t.Errorf("--json = %d %s", code, out)
	}
}

func TestCARefuses(t *testing.T) {
	dir := caData(t)
	for _, tt := range []struct {
		args []string
		want string
		code int
	}{
		{[]string{"--data", t.TempDir()}, "no server has been started", 1},
		{[]string{"--data", dir, "--region", "x y", "--registry"}, `region "x y"`, 2},
		{[]string{"--data", dir, "--install", "--uninstall"}, "give one of --registry", 2},
		{[]string{"--data", dir, "--install", "--store", "vault"}, `there is no store "vault"`, 2},
		{[]string{"--data", dir, "--store", "nss"}, "--store needs", 2},
	} {
		out, stderr, code := call(append([]string{"ca"}, tt.args...)...)
		if code != tt.code || out != "" || !strings.Contains(stderr, tt.want) {
			t.Errorf("%q = %d %q %q", tt.args, code, out, stderr)
		}
	}
}

// Roots are installed where the flags say, and removed again.
func TestCAInstalls(t *testing.T) {
	machine := t.TempDir()
	anchors := filepath.Join(machine, "usr/local/share/ca-certificates")
	if err := os.MkdirAll(anchors, 0o755); err != nil {
		t.Fatal(err)
	}
	m := &trust.Machine{Etc: filepath.Join(machine, "etc"), Usr: filepath.Join(machine, "usr"), Home: machine,
		Run: func(context.Context, string, ...string) error { return nil }}
	f := &caFlags{place: place{data: caData(t)}, stores: caStores, install: true}
	r, err := openRoots(f)
	if err != nil {
		t.Fatal(err)
	}
	found := func() []string {
		var all []string
		for _, pattern := range []string{
			anchors + "/berth-*.crt", m.Etc + "/docker/certs.d/" + caHost + "/berth-*.crt",
		} {
			files, err := filepath.Glob(pattern)
			if err != nil {
				t.Fatal(err)
			}
			all = append(all, files...)
		}
		return all
	}
	var out, stderr bytes.Buffer
	io := streams{out: &out, err: &stderr}
	if err := installRoots(t.Context(), io, f, m, r); err != nil {
		t.Fatal(err)
	}
	if n := len(found()); n != 2 || strings.Count(out.String(), "installed: ") != 2 ||
		!strings.Contains(out.String(), "left out: ") ||
		!strings.Contains(stderr.String(), "127.0.0.9 "+caHost+"\n") {
		t.Errorf("%d files, %s %s", n, out.String(), stderr.String())
	}
	f.install, f.remove = false, true
	if err := installRoots(t.Context(), io, f, m, r); err != nil || len(found()) != 0 {
		t.Errorf("after --uninstall: %v %v", found(), err)
	}
}
