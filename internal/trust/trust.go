// Package trust adds a root certificate to the stores that programs of this machine trust, and removes it. It
// changes only the stores that it was asked to change, and never what others put there.
package trust

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
)

// ErrNone is returned for a store that this machine does not have.
var ErrNone = errors.New("not on this machine")

// ErrNotInstalled is returned when a root that should be removed from a store is not in it.
var ErrNotInstalled = errors.New("the root is not installed there")

// Root is a certificate to be trusted.
type Root struct {
	Name string // begins the names of its files, such as berth-1a2b3c4d
	PEM  []byte
}

// Machine says where the stores are.
type Machine struct {
	Etc, Usr string // "/etc" and "/usr" except in tests
	Home     string
	// Run runs a program of the machine.
	Run func(ctx context.Context, name string, args ...string) error
}

// Local returns the machine that this process runs on.
func Local() (*Machine, error) {
	home, err := os.UserHomeDir()
	return &Machine{Etc: "/etc", Usr: "/usr", Home: home, Run: run}, err
}

func run(ctx context.Context, name string, args ...string) error {
	if _, err := exec.LookPath(name); err != nil {
		return fmt.Errorf("%s: %w", name, ErrNone)
	}
	out, err := exec.CommandContext(ctx, name, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("%s: %w: %s", name, err, out)
	}
	return nil
}

// anchors are the directories for the administrator's root certificates, with the command that reads them
// again.
func (m *Machine) anchors() map[string][]string {
	return map[string][]string{
		// Debian, Ubuntu, Alpine
		filepath.Join(m.Usr, "local/share/ca-certificates"): {"update-ca-certificates"},
		// Fedora, Amazon Linux
		filepath.Join(m.Etc, "pki/ca-trust/source/anchors"):          {"update-ca-trust", "extract"},
		filepath.Join(m.Etc, "ca-certificates/trust-source/anchors"): {"trust", "extract-compat"}, // Arch
	}
}

// System adds the root to the system's store, or removes it, and returns the file that it wrote or removed.
func (m *Machine) System(ctx context.Context, r Root, install bool) (file string, err error) {
	for dir, update := range m.anchors() {
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		file = filepath.Join(dir, r.Name+".crt")
		changed, err := put(file, r.PEM, install)
		switch {
		case err != nil || !changed && install:
			return file, err
		case !changed:
			return file, fmt.Errorf("%s: %w", file, ErrNotInstalled)
		}
		return file, m.Run(ctx, update[0], update[1:]...)
	}
	return "", fmt.Errorf("the system's store: %w", ErrNone)
}

// Docker makes Docker trust the root for one registry only, or removes that.
func (m *Machine) Docker(host string, r Root, install bool) (file string, err error) {
	if host == "" || host == ".." || host != filepath.Base(host) || filepath.IsAbs(host) {
		return "", fmt.Errorf("%q is not a host", host)
	}
	dir := filepath.Join(m.Etc, "docker/certs.d", host)
	file = filepath.Join(dir, r.Name+".crt")
	if install {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return "", err
		}
	}
	changed, err := put(file, r.PEM, install)
	if err != nil || install {
		return file, err
	}
	if err := os.Remove(dir); err != nil && !errors.Is(err, fs.ErrNotExist) && !notEmpty(dir) {
		return file, err
	}
	if !changed {
		return file, fmt.Errorf("%s: %w", file, ErrNotInstalled)
	}
	return file, nil
}

func notEmpty(dir string) bool {
	entries, err := os.ReadDir(dir)
	return err == nil && len(entries) > 0
}

// NSS adds the root to the user's store that Chromium and others read, or removes it.
func (m *Machine) NSS(ctx context.Context, r Root, install bool) (file string, err error) {
	dir := filepath.Join(m.Home, ".pki/nssdb")
	if _, err := os.Stat(dir); err != nil {
		return "", fmt.Errorf("%s: %w", dir, ErrNone)
	}
	if !install {
		if m.Run(ctx, "certutil", "-d", "sql:"+dir, "-L", "-n", r.Name) != nil {
			return dir, fmt.Errorf("%s: %w", dir, ErrNotInstalled)
		}
		return dir, m.Run(ctx, "certutil", "-d", "sql:"+dir, "-D", "-n", r.Name)
	}
	f, err := os.CreateTemp("", r.Name+".*.crt")
	if err != nil {
		return "", err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(r.PEM)
	if err := errors.Join(err, f.Close()); err != nil {
		return "", err
	}
	return dir, m.Run(ctx, "certutil", "-d", "sql:"+dir, "-A", "-t", "C,,", "-n", r.Name, "-i", f.Name())
}

// put writes or removes a file that everybody may read, and reports whether that changed anything.
func put(path string, content []byte, there bool) (changed bool, err error) {
	old, err := os.ReadFile(path)
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		return false, err
	case !there && err != nil, there && err == nil && slices.Equal(old, content):
		return false, nil
	case !there:
		return true, os.Remove(path)
	}
	return true, os.WriteFile(path, content, 0o644)
}
