package identity

import (
	"encoding/base32"
	"encoding/base64"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"pgregory.net/rapid"
)

// The id of one key with the token of another opens nothing, however alike they are. A session whose name is not UTF-8
// gets no credentials: JSON writes the same sign for every wrong byte, and two such sessions would be one.
func TestTokensBelongToTheirKeys(t *testing.T) {
	m := newMinter(t, 1)
	rapid.Check(t, func(rt *rapid.T) {
		made := map[string]Credentials{} // by the session
		for range rapid.IntRange(2, 4).Draw(rt, "credentials") {
			session := rapid.OneOf(rapid.StringMatching(`[a-z]{1,2}`), rapid.String(),
				rapid.SampledFrom([]string{"\xff", "\xfe", "a/b", "\xff\xfe"})).Draw(rt, "session")
			c, err := m.Mint(roleARN, session, now.Add(time.Hour))
			wrong := session == "" || strings.Contains(session, "/") || strings.ToValidUTF8(session, "") != session
			if wrong != (err != nil) {
				rt.Fatalf("a session %q: %v", session, err)
			}
			if err == nil {
				made[session] = c
			}
		}
		for session, c := range made {
			for other, o := range made {
				_, err := m.Open(c.AccessKeyID, o.SessionToken, now)
				same := c.AccessKeyID == o.AccessKeyID || c.SecretAccessKey == o.SecretAccessKey
				if session != other && (same || !errors.Is(err, ErrInvalidToken)) {
					rt.Fatalf("the key of %q opens the token of %q: %v", session, other, err)
				}
			}
		}
	})
}

// Credentials outlive a server, and its version: what is derived from a master key must stay as it is. Another answer
// here revokes the credentials of every task that runs during an upgrade.
func TestDerivationStaysAsItIs(t *testing.T) {
	c, err := newMinter(t, 1).Mint(roleARN, "web", time.Unix(1_800_000_000, 0))
	if err != nil {
		t.Fatal(err)
	}
	if c.AccessKeyID != "ASIACI47YNUQG2VNASNI" || c.SecretAccessKey != "pBJci7a5WRzUPGrJ09qg9B6zji1Iv/guMPdQkLh+" {
		t.Errorf("key %s with the secret %s", c.AccessKeyID, c.SecretAccessKey)
	}
	raw, err := base64.StdEncoding.DecodeString(c.SessionToken)
	if want := `{"r":"` + roleARN + `","s":"web","e":1800000000000000000}`; err != nil || string(raw[32:]) != want {
		t.Errorf("the token says %s, %v", raw[32:], err)
	}
	if id := RoleID(roleARN); id != "AROA7453FPR4RWTCUNE3P" {
		t.Errorf("the role's id is %s", id)
	}
}

// Every random byte of the forty is in the key, each once, and no other: a key is as hard to guess as they are.
func TestAccessKeysHoldAllRandomBytes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		random := rapid.SliceOfN(rapid.Byte(), KeyEntropy, KeyEntropy+3).Draw(rt, "random")
		k, err := NewAccessKey("123456789012", random)
		if err != nil {
			rt.Fatal(err)
		}
		id, err1 := base32.StdEncoding.DecodeString(strings.TrimPrefix(k.ID, "AKIA"))
		secret, err2 := base64.RawStdEncoding.DecodeString(k.Secret)
		if err := errors.Join(err1, err2); err != nil || string(id)+string(secret) != string(random[:KeyEntropy]) {
			rt.Fatalf("the key of %x holds %x and %x, %v", random, id, secret, err)
		}
		if k.Principal != Root("123456789012") {
			rt.Fatalf("it belongs to %+v", k.Principal)
		}
	})
}

// A session is an instance when its role is the instances' and its name an instance's id, in whichever account.
func TestInstancesAreSessionsOfTheirRole(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		account := rapid.StringMatching(`[0-9]{12}`).Draw(rt, "account")
		role, err := arn.Parse(rapid.SampledFrom([]string{InstanceRole(account), InstanceRole(account) + "s",
			"arn:aws:iam::" + account + ":role/app"}).Draw(rt, "role"))
		if err != nil {
			rt.Fatal(err)
		}
		session := rapid.StringMatching(`(i-|mi-|I-|i)[0-9a-f]{0,4}`).Draw(rt, "session")
		want := role.String() == InstanceRole(account) && session[0] == 'i' && len(session) > 1 && session[1] == '-'
		if id, ok := AssumedRole(role, session).Instance(); ok != want || ok && id != session {
			rt.Fatalf("session %s of %s is the instance %q: %v", session, role, id, ok)
		}
	})
}

// Nobody makes a token that opens without the master key.
func FuzzOpen(f *testing.F) {
	m := newMinter(f, 1)
	c, err := m.Mint(roleARN, "web", now.Add(time.Hour))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(c.AccessKeyID, c.SessionToken)
	f.Add("", base64.StdEncoding.EncodeToString(make([]byte, 64)))
	f.Fuzz(func(t *testing.T, id, token string) {
		k, err := m.Open(id, token, now)
		raw, _ := base64.StdEncoding.DecodeString(token)
		given, _ := base64.StdEncoding.DecodeString(c.SessionToken)
		if err == nil && (id != c.AccessKeyID || string(raw) != string(given)) || err != nil && k.Secret != "" {
			t.Errorf("Open(%q, %q) = %s, %v", id, token, k, err)
		}
	})
}
