package trust

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// pretend is a machine in a directory of its own, and what was run on it.
func pretend(t *testing.T, dirs ...string) (*Machine, *[]string) {
	t.Helper()
	root := t.TempDir()
	for _, d := range dirs {
		if err := os.MkdirAll(filepath.Join(root, d), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	var ran []string
	return &Machine{Etc: filepath.Join(root, "etc"), Usr: filepath.Join(root, "usr"), Home: filepath.Join(root, "home"),
		Run: func(_ context.Context, name string, args ...string) error {
			ran = append(ran, name+" "+strings.Join(args, " "))
			return nil
		}}, &ran
}

var root = Root{"berth-1a2b3c4d", []byte("a certificate\n")}

func TestSystem(t *testing.T) {
	for dir, update := range map[string]string{
		"usr/local/share/ca-certificates":          "update-ca-certificates ",
		"etc/pki/ca-trust/source/anchors":          "update-ca-trust extract",
		"etc/ca-certificates/trust-source/anchors": "trust extract-compat",
	} {
		m, ran := pretend(t, dir)
		for i, install := range []bool{true, true, false, false} { // the second time there is nothing to do
			file, err := m.System(t.Context(), root, install)
			if i == 3 && errors.Is(err, ErrNotInstalled) {
				err = nil
			}
			if err != nil || !strings.HasSuffix(file, dir+"/berth-1a2b3c4d.crt") {
				t.Fatal(file, err)
			}
			if text, _ := os.ReadFile(file); (string(text) == string(root.PEM)) != install {
				t.Errorf("install %v: %q", install, text)
			}
		}
		if !slices.Equal(*ran, []string{update, update}) {
			t.Errorf("ran %q", *ran)
		}
	}
	m, _ := pretend(t)
	if _, err := m.System(t.Context(), root, true); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}

// Docker's directory of a host goes with our file, unless others have files there.
func TestDocker(t *testing.T) {
	m, _ := pretend(t)
	file, err := m.Docker("registry.test", root, true)
	if err != nil || file != filepath.Join(m.Etc, "docker/certs.d/registry.test/berth-1a2b3c4d.crt") {
		t.Fatal(file, err)
	}
	other := filepath.Join(filepath.Dir(file), "other.crt")
	if err := os.WriteFile(other, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Docker("registry.test", root, false); err != nil {
		t.Error(err)
	}
	if _, err := m.Docker("registry.test", root, false); !errors.Is(err, ErrNotInstalled) {
		t.Errorf("the second time: %v", err)
	}
	if _, err := os.Stat(other); err != nil {
		t.Error("another's file is gone")
	}
	if err := os.Remove(other); err != nil {
		t.Fatal(err)
	}
	if _, err := m.Docker("registry.test", root, false); !errors.Is(err, ErrNotInstalled) {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(file)); err == nil {
		t.Error("the empty directory is still there")
	}
	for _, host := range []string{"", "..", "a/b", "/etc"} {
		if _, err := m.Docker(host, root, true); err == nil {
			t.Errorf("%q was accepted as a host", host)
		}
	}
}

func TestNSS(t *testing.T) {
	m, ran := pretend(t, "home/.pki/nssdb")
	for _, install := range []bool{true, false} {
		if _, err := m.NSS(t.Context(), root, install); err != nil {
			t.Error(err)
		}
	}
	if len(*ran) != 3 || !strings.Contains((*ran)[0], "-A -t C,, -n berth-1a2b3c4d -i ") ||
		!strings.Contains((*ran)[2], "-D -n berth-1a2b3c4d") {
		t.Errorf("ran %q", *ran)
	}
	m, _ = pretend(t)
	if _, err := m.NSS(t.Context(), root, true); !errors.Is(err, ErrNone) {
		t.Error(err)
	}
}
