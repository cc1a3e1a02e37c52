// Package desktest calls services as clients do: over HTTP through a front desk on a loopback port, with
// signed requests of its own or of the AWS CLI. It is for the tests of the action packages.
package desktest

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"log/slog"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awscli"
	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// The account and region of all callers.
const (
	Account = "123456789012"
	Region  = "us-east-1"
)

// key is the access key of all callers.
var key = identity.AccessKey{ID: "AKIATESTTESTTESTTEST", Secret: "secret", Principal: identity.Root(Account)}

// Desk is a front desk that serves the services under test.
type Desk struct {
	URL string
	env []string
}

// Store makes an empty store in memory.
func Store(t testing.TB) *state.Store {
	t.Helper()
	s, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// Call returns a call in the default account and region at a time.
func Call(now time.Time) *awswire.Call {
	return &awswire.Call{Region: Region, Account: Account, Now: now, Random: rand.Reader}
}

// New starts a front desk that serves the given services.
func New(t testing.TB, services ...awswire.Service) *Desk {
	t.Helper()
	minter, err := identity.NewMinter(make([]byte, identity.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	h, err := awswire.NewHandler(awswire.Config{
		Verifier: &sigv4.Verifier{Keys: identity.NewKeyRing(key), Minter: minter},
		Logger:   slog.New(slog.NewTextHandler(t.Output(), nil)),
	}, services...)
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	return &Desk{URL: server.URL, env: append(os.Environ(),
		"AWS_ACCESS_KEY_ID="+key.ID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "AWS_SESSION_TOKEN=",
		"AWS_DEFAULT_REGION="+Region, "AWS_REGION="+Region, "AWS_CONFIG_FILE=/nonexistent",
		"AWS_SHARED_CREDENTIALS_FILE=/nonexistent", "AWS_PAGER=", "AWS_MAX_ATTEMPTS=2")}
}

// With returns the desk for a caller with more environment variables, such as other credentials.
func (d *Desk) With(env ...string) *Desk {
	c := *d
	c.env = append(append([]string(nil), d.env...), env...)
	return &c
}

// Command returns a command that runs the AWS CLI. Without a CLI the test is skipped, or fails if BERTH_CI is
// 1.
func (d *Desk) Command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	args = append([]string{"--endpoint-url", d.URL, "--output", "json"}, args...)
	cmd := exec.CommandContext(t.Context(), cli(t), args...)
	cmd.Env = d.env
	return cmd
}

// cli returns the path of an AWS CLI. Without one it skips the test, or fails it if BERTH_CI is 1.
func cli(t testing.TB) string {
	t.Helper()
	path := awscli.Forking()
	if path != "" {
		return path
	}
	const missing = "the AWS CLI is missing (apt-get install awscli)"
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatal(missing)
	}
	t.Skip(missing)
	return ""
}

// AWS runs the CLI and returns its output, decoded from JSON. The words are the command line; a single one is
// split at spaces. AWS fails the test when the command fails.
func (d *Desk) AWS(t testing.TB, words ...string) any {
	t.Helper()
	out, stderr, err := d.run(t, words)
	if err != nil {
		t.Fatalf("aws %s: %v\n%s", strings.Join(words, " "), err, stderr)
	}
	if len(bytes.TrimSpace(out)) == 0 {
		return nil
	}
	var v any
	if err := json.Unmarshal(out, &v); err != nil {
		t.Fatalf("aws %s printed %s", strings.Join(words, " "), out)
	}
	return v
}

// JSON is AWS with the answer in one line of JSON, for comparison.
func (d *Desk) JSON(t testing.TB, words ...string) string {
	t.Helper()
	b, err := json.Marshal(d.AWS(t, words...))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// Refused runs the CLI and fails the test unless the command fails with a message that contains want.
func (d *Desk) Refused(t testing.TB, want string, words ...string) {
	t.Helper()
	out, stderr, err := d.run(t, words)
	if err == nil || !strings.Contains(stderr, want) {
		t.Errorf("aws %s: %v\n%s%s\nwant %s", strings.Join(words, " "), err, out, stderr, want)
	}
}

func (d *Desk) run(t testing.TB, words []string) ([]byte, string, error) {
	t.Helper()
	if len(words) == 1 {
		words = strings.Fields(words[0])
	}
	cmd := d.Command(t, words...)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	return out, stderr.String(), err
}
