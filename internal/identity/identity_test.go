package identity

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

const roleARN = "arn:aws:iam::123456789012:role/service/app"

var now = time.Date(2026, 11, 23, 0, 55, 38, 0, time.UTC)

func newMinter(t interface{ Fatal(...any) }, seed byte) *Minter {
	m, err := NewMinter(bytes.Repeat([]byte{seed}, MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMintedCredentialsOpenUntilTheyExpire(t *testing.T) {
	m := newMinter(t, 1)
	c, err := m.Mint(roleARN, "web", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(c.AccessKeyID, "ASIA") || len(c.AccessKeyID) != 20 || len(c.SecretAccessKey) != 40 {
		t.Errorf("key %q with a secret of %d characters: want the forms AWS uses", c.AccessKeyID,
			len(c.SecretAccessKey))
	}
	restarted := newMinter(t, 1) // the same master key in another process
	k, err := restarted.Open(c.AccessKeyID, c.SessionToken, now)
	if err != nil {
		t.Fatal(err)
	}
	if k.Secret != c.SecretAccessKey {
		t.Error("the secret that verifies is not the secret that was given out")
	}
	want := Principal{
		Account: "123456789012", ARN: "arn:aws:sts::123456789012:assumed-role/app/web",
		UserID: RoleID(roleARN) + ":web",
	}
	if k.Principal != want {
		t.Errorf("principal = %+v, want %+v", k.Principal, want)
	}
	if _, err := m.Open(c.AccessKeyID, c.SessionToken, now.Add(time.Hour)); !errors.Is(err, ErrExpiredToken) {
		t.Errorf("at the expiry: %v, want %v", err, ErrExpiredToken)
	}
}

func TestForeignCredentialsAreRefused(t *testing.T) {
	m := newMinter(t, 1)
	c, _ := m.Mint(roleARN, "web", now.Add(time.Hour))
	other, _ := m.Mint(roleARN, "api", now.Add(time.Hour))
	if _, err := newMinter(t, 2).Open(c.AccessKeyID, c.SessionToken, now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("another master key: %v", err)
	}
	if _, err := m.Open(other.AccessKeyID, c.SessionToken, now); !errors.Is(err, ErrInvalidToken) {
		t.Errorf("a token with another key's id: %v", err)
	}
	for _, token := range []string{"", "x", "!!!", base64.StdEncoding.EncodeToString(make([]byte, 31))} {
		if _, err := m.Open(c.AccessKeyID, token, now); !errors.Is(err, ErrInvalidToken) {
			t.Errorf("token %q: %v", token, err)
		}
	}
}

// Any changed bit of a token makes it worthless.
func TestTokensAreTamperEvident(t *testing.T) {
	m := newMinter(t, 1)
	rapid.Check(t, func(t *rapid.T) {
		c, err := m.Mint(roleARN, rapid.StringMatching(`[a-z]{1,20}`).Draw(t, "session"), now.Add(time.Hour))
		if err != nil {
			t.Fatal(err)
		}
		raw, _ := base64.StdEncoding.DecodeString(c.SessionToken)
		raw[rapid.IntRange(0, len(raw)-1).Draw(t, "byte")] ^= 1 << rapid.IntRange(0, 7).Draw(t, "bit")
		if _, err := m.Open(c.AccessKeyID, base64.StdEncoding.EncodeToString(raw),
			now); !errors.Is(err, ErrInvalidToken) {
			t.Fatalf("a changed token was accepted: %v", err)
		}
	})
}

func TestWhoCannotHaveCredentials(t *testing.T) {
	m := newMinter(t, 1)
	for _, c := range []struct{ role, session string }{
		{"app", "web"}, {"arn:aws:ecs:us-east-1:123456789012:cluster/x", "web"}, {roleARN, ""}, {roleARN, "a/b"},
		{"arn:aws:iam::123456789012:user/joe", "x"},
	} {
		if _, err := m.Mint(c.role, c.session, now); err == nil {
			t.Errorf("Mint(%q, %q) gave credentials", c.role, c.session)
		}
	}
	c, err := m.Mint(Root("123456789012").ARN, "", now.Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	if k, err := m.Open(c.AccessKeyID, c.SessionToken, now); err != nil || k.Principal != Root("123456789012") {
		t.Errorf("root session: %v %v", k, err)
	}
	if _, err := NewMinter(make([]byte, 16)); err == nil {
		t.Error("a short master key was accepted")
	}
}

func TestAccessKeys(t *testing.T) {
	if _, err := NewAccessKey("123456789012", make([]byte, KeyEntropy-1)); err == nil {
		t.Error("too few random bytes were accepted")
	}
	k, err := NewAccessKey("123456789012", bytes.Repeat([]byte{7}, KeyEntropy))
	if err != nil || len(k.ID) != 20 || !strings.HasPrefix(k.ID, "AKIA") || len(k.Secret) != 40 {
		t.Fatalf("key %q with a secret of %d characters, %v", k.ID, len(k.Secret), err)
	}
	for _, text := range []string{fmt.Sprint(k), fmt.Sprintf("%+v", k), fmt.Sprintf("%#v", k)} {
		if strings.Contains(text, k.Secret) {
			t.Errorf("printing a key shows its secret: %s", text)
		}
	}
	ring := NewKeyRing(k)
	if got, ok := ring.AccessKey(k.ID); !ok || got != k {
		t.Errorf("ring: %v %v", got, ok)
	}
	if _, ok := ring.AccessKey("AKIAOTHER"); ok {
		t.Error("the ring has a key that was not added")
	}
}
