package sigv4

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/identity"
)

// A signing key is cached after it has verified a signature, and only for its secret. The cache has a limited
// size.
func TestSigningKeysAreKept(t *testing.T) {
	now := time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)
	key := identity.AccessKey{ID: "AKIDEXAMPLE", Secret: "one"}
	v := &Verifier{Keys: identity.NewKeyRing(key)}
	verify := func(secret, service string) error {
		t.Helper()
		r, err := http.NewRequest(http.MethodPost, "http://localhost/", nil)
		if err != nil {
			t.Fatal(err)
		}
		Sign(r, Credentials{AccessKeyID: key.ID, SecretAccessKey: secret}, "us-east-1", service, EmptyPayload, now)
		_, err = v.Verify(r, EmptyPayload, now)
		return err
	}
	for range 2 { // first with a derived key, then with the cached one
		if err := verify("one", "ecs"); err != nil {
			t.Fatal(err)
		}
		if err := verify("two", "ecs"); err == nil {
			t.Fatal("a signature with another secret was accepted")
		}
	}
	if err := verify("two", "made-up"); err == nil || len(v.signing.kept) != 1 {
		t.Errorf("%v, %d keys are cached, want the one of the valid signatures", err, len(v.signing.kept))
	}
	v.Keys = identity.NewKeyRing(identity.AccessKey{ID: key.ID, Secret: "two"}) // the secret is changed
	if err := verify("one", "ecs"); err == nil {
		t.Error("the earlier secret is still accepted")
	}
	if err := verify("two", "ecs"); err != nil {
		t.Error(err)
	}
	for i := range 2 * mostSigningKeys {
		v.signing.keep(origin{service: fmt.Sprint(i)}, nil)
	}
	if n := len(v.signing.kept); n > mostSigningKeys {
		t.Errorf("%d keys are cached, want at most %d", n, mostSigningKeys)
	}
}
