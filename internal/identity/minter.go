package identity

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/berthhq/berth/internal/arn"
)

// Why temporary credentials are refused.
var (
	ErrInvalidToken = errors.New("the security token is invalid")
	ErrExpiredToken = errors.New("the security token is expired")
)

// Credentials are temporary: they stop working at Expiration.
type Credentials struct {
	AccessKeyID     string
	SecretAccessKey string
	SessionToken    string
	Expiration      time.Time
}

// Minter makes temporary credentials and recognises its own. Nothing is stored: the session token
// carries the claims and a code that authenticates them, and the secret is derived from the claims,
// so that a server that has the master key can verify all credentials that were ever made, after a restart and
// on another node. Forgetting the master key revokes them all.
type Minter struct {
	tokenKey, idKey, secretKey []byte
}

// claims are what a session token says. The short names keep tokens short.
type claims struct {
	Role    string `json:"r"` // the ARN of a role, or of the account's root user
	Session string `json:"s"`
	Expires int64  `json:"e"` // nanoseconds since 1970
}

// MasterKeySize is the length of a Minter's key in bytes.
const MasterKeySize = 32

// NewMinter makes a minter of a master key of MasterKeySize random bytes.
func NewMinter(master []byte) (*Minter, error) {
	if len(master) != MasterKeySize {
		return nil, fmt.Errorf("the master key has %d bytes, not %d", len(master), MasterKeySize)
	}
	m := &Minter{}
	for _, k := range []struct {
		key     *[]byte
		purpose string
	}{{&m.tokenKey, "session token"}, {&m.idKey, "access key id"}, {&m.secretKey, "secret access key"}} {
		derived, err := hkdf.Key(sha256.New, master, nil, "berth temporary credentials: "+k.purpose, sha256.Size)
		if err != nil {
			return nil, fmt.Errorf("deriving the key of the %s: %w", k.purpose, err)
		}
		*k.key = derived
	}
	return m, nil
}

// Mint makes credentials for a session of a role (arn:aws:iam::ACCOUNT:role/NAME), or of the root
// user (…:root; the session is then not part of the principal). The same role, session and expiry
// give the same credentials.
func (m *Minter) Mint(roleARN, session string, expires time.Time) (Credentials, error) {
	c := claims{Role: roleARN, Session: session, Expires: expires.UnixNano()}
	if _, err := c.principal(); err != nil {
		return Credentials{}, err
	}
	text, err := json.Marshal(c)
	if err != nil {
		return Credentials{}, err
	}
	k := m.derive(text)
	return Credentials{
		AccessKeyID:     k.ID,
		SecretAccessKey: k.Secret,
		SessionToken:    base64.StdEncoding.EncodeToString(append(mac(m.tokenKey, text), text...)),
		Expiration:      expires,
	}, nil
}

// Open returns the key that belongs to a session token, or ErrInvalidToken or ErrExpiredToken. The
// token must be one that this master key made, for this access key id, and now must be before its
// expiry.
func (m *Minter) Open(accessKeyID, sessionToken string, now time.Time) (AccessKey, error) {
	raw, err := base64.StdEncoding.DecodeString(sessionToken)
	if err != nil || len(raw) < sha256.Size {
		return AccessKey{}, ErrInvalidToken
	}
	code, text := raw[:sha256.Size], raw[sha256.Size:]
	if !hmac.Equal(code, mac(m.tokenKey, text)) {
		return AccessKey{}, ErrInvalidToken
	}
	var c claims
	if err := json.Unmarshal(text, &c); err != nil {
		return AccessKey{}, ErrInvalidToken
	}
	k := m.derive(text)
	if !hmac.Equal([]byte(k.ID), []byte(accessKeyID)) {
		return AccessKey{}, ErrInvalidToken
	}
	if !now.Before(time.Unix(0, c.Expires)) {
		return AccessKey{}, ErrExpiredToken
	}
	k.Principal, err = c.principal()
	return k, err
}

// derive makes the key pair that belongs to claims.
func (m *Minter) derive(text []byte) AccessKey {
	return AccessKey{
		ID:     "ASIA" + base32.StdEncoding.EncodeToString(mac(m.idKey, text)[:10]),
		Secret: base64.StdEncoding.EncodeToString(mac(m.secretKey, text)[:30]),
	}
}

func (c claims) principal() (Principal, error) {
	// JSON would write U+FFFD for every invalid byte, and so make one name of several.
	if !utf8.ValidString(c.Role) || !utf8.ValidString(c.Session) {
		return Principal{}, fmt.Errorf("no credentials can be made for %q with session %q: both must be UTF-8",
			c.Role, c.Session)
	}
	role, err := arn.Parse(c.Role)
	if err != nil {
		return Principal{}, err
	}
	switch {
	case role.Service == "iam" && role.Resource == "root":
		return Root(role.Account), nil
	case role.Service == "iam" && role.Type() == "role" && role.ID() != "" && c.Session != "" &&
		!strings.Contains(c.Session, "/"):
		return AssumedRole(role, c.Session), nil
	}
	return Principal{}, fmt.Errorf("no credentials can be made for %q with session %q: want a role's ARN "+
		"and a session name, or the root user's ARN", c.Role, c.Session)
}

func mac(key, text []byte) []byte {
	h := hmac.New(sha256.New, key)
	h.Write(text)
	return h.Sum(nil)
}
