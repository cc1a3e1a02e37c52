package registry

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/identity"
)

// User is the user name for all passwords of ECR (ecs.md 8.1).
const User = "AWS"

// PasswordLife is how long a password is valid (ecs.md 8.1: 12 h).
const PasswordLife = 12 * time.Hour

// Passwords creates the passwords of GetAuthorizationToken and verifies them. Nothing is stored: a password is
// its expiry and a code that authenticates it, so it stays valid after a restart and expires by itself. It is
// safe for concurrent use.
type Passwords struct{ key []byte }

// NewPasswords derives its key from the server's master key, as identity.NewMinter does.
func NewPasswords(master []byte) (*Passwords, error) {
	key, err := hkdf.Key(sha256.New, master, nil, "berth registry password", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of registry passwords: %w", err)
	}
	return &Passwords{key}, nil
}

// Mint returns a new password that is valid for PasswordLife.
func (p *Passwords) Mint(now time.Time) (password string, expires time.Time) {
	expires = now.Add(PasswordLife).Truncate(time.Millisecond)
	text := binary.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(text, p.code(text)...)), expires
}

// Valid reports whether Mint returned the password and it has not expired.
func (p *Passwords) Valid(password string, now time.Time) bool {
	raw, err := base64.RawURLEncoding.DecodeString(password)
	if err != nil || len(raw) != 8+sha256.Size || !hmac.Equal(raw[8:], p.code(raw[:8])) {
		return false
	}
	return now.UnixMilli() < int64(binary.BigEndian.Uint64(raw))
}

func (p *Passwords) code(text []byte) []byte {
	h := hmac.New(sha256.New, p.key)
	h.Write(text)
	return h.Sum(nil)
}

// Access says who may use the registry.
type Access struct {
	Passwords *Passwords
	Keys      identity.Keys // an access key's id and secret are accepted as user and password, too
	// Open admits everybody, so that docker push works without docker login. It is for a server on loopback
	// with development credentials, where everybody knows the key.
	Open bool
	Now  func() time.Time
}

func (a *Access) admits(user, password string) bool {
	if a.Open {
		return true
	}
	if user == User {
		return a.Passwords.Valid(password, a.Now())
	}
	key, ok := a.Keys.AccessKey(user)
	return ok && subtle.ConstantTimeCompare([]byte(key.Secret), []byte(password)) == 1
}
