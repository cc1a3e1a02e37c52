package identity

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/arn"
)

// drawRole draws the ARN of a role, with or without a path.
func drawRole(t *rapid.T) string {
	return "arn:aws:iam::" + rapid.StringMatching(`[0-9]{12}`).Draw(t, "account") + ":role/" +
		rapid.StringMatching(`([a-z]{1,5}/){0,2}[A-Za-z0-9+=,.@_-]{1,10}`).Draw(t, "role")
}

// Credentials say who has them, whatever the role, session and expiry are, until the moment of their expiry. The same
// three give the same credentials, and any others give others.
func TestCredentialsAreTheirClaims(t *testing.T) {
	type asked struct {
		role, session string
		expires       int64
	}
	m := newMinter(t, 3)
	seen := map[string]asked{}
	rapid.Check(t, func(t *rapid.T) {
		a := asked{drawRole(t), rapid.StringMatching(`[\w+=,.@-]{2,10}`).Draw(t, "session"),
			rapid.Int64Range(1, int64(48*time.Hour)).Draw(t, "life")}
		expires := now.Add(time.Duration(a.expires))
		c, err := m.Mint(a.role, a.session, expires)
		if err != nil {
			t.Fatal(err)
		}
		if before, ok := seen[c.AccessKeyID]; ok && before != a {
			t.Fatalf("%+v and %+v have the same key", before, a)
		}
		seen[c.AccessKeyID] = a
		if again, _ := m.Mint(a.role, a.session, expires); again != c {
			t.Fatalf("%+v made %+v and %+v", a, c, again)
		}
		k, err := m.Open(c.AccessKeyID, c.SessionToken, expires.Add(-1))
		if err != nil || k.Secret != c.SecretAccessKey || k.ID != c.AccessKeyID {
			t.Fatalf("before the expiry: %v %v", k, err)
		}
		role, err := arn.Parse(a.role)
		if err != nil || k.Principal != AssumedRole(role, a.session) || k.Principal.Account != role.Account {
			t.Fatalf("the credentials of %+v are those of %+v", a, k.Principal)
		}
		if _, err := m.Open(c.AccessKeyID, c.SessionToken, expires); !errors.Is(err, ErrExpiredToken) {
			t.Fatalf("at the expiry: %v", err)
		}
	})
}

// Keys of different random bytes differ in id and in secret, and a ring finds each by its id.
func TestKeysOfARing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		first := func(random string) string { return random[:10] } // an id is made from these
		random := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z]{40}`), 1, 5, first).Draw(t, "random")
		var keys []AccessKey
		for _, r := range random {
			k, err := NewAccessKey("123456789012", []byte(r))
			if err != nil {
				t.Fatal(err)
			}
			keys = append(keys, k)
		}
		ring := NewKeyRing(keys...)
		for _, k := range keys {
			if found, ok := ring.AccessKey(k.ID); !ok || found != k {
				t.Fatalf("key %s: %v %v", k.ID, found, ok)
			}
			if k.Principal != Root("123456789012") || strings.Contains(k.ID+k.Secret, "=") {
				t.Fatalf("key %s of %+v", k.ID, k.Principal)
			}
		}
	})
}

// A role's id has AWS's form and depends on the whole ARN.
func TestRoleID(t *testing.T) {
	seen := map[string]string{}
	rapid.Check(t, func(t *rapid.T) {
		role := drawRole(t)
		id := RoleID(role)
		if len(id) != 21 || !strings.HasPrefix(id, "AROA") || strings.ToUpper(id) != id || id != RoleID(role) {
			t.Fatalf("the id of %s is %s", role, id)
		}
		if before, ok := seen[id]; ok && before != role {
			t.Fatalf("%s and %s have the id %s", before, role, id)
		}
		seen[id] = role
	})
}
