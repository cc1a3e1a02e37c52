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

// User is the user name that goes with every password ECR gives out (ecs.md 8.1).
const User = "AWS"

// PasswordLife is how long a password works (ecs.md 8.1: 12 h).
const PasswordLife = 12 * time.Hour

// Passwords makes the passwords of GetAuthorizationToken and recognises its own. Nothing is stored: a password is its expiry and a code
// that authenticates it, so it outlives a restart and stops working by itself. Safe for concurrent use.
type Passwords struct{ key []byte }

// NewPasswords derives its key from the server's master key, the one identity.NewMinter takes.
func NewPasswords(master []byte) (*Passwords, error) {
	key, err := hkdf.Key(sha256.New, master, nil, "berth registry password", sha256.Size)
	if err != nil {
		return nil, fmt.Errorf("derive the key of registry passwords: %w", err)
	}
	return &Passwords{key}, nil
}

// Mint makes a password that works for PasswordLife.
func (p *Passwords) Mint(now time.Time) (password string, expires time.Time) {
	expires = now.Add(PasswordLife).Truncate(time.Millisecond)
	text := binary.BigEndian.AppendUint64(nil, uint64(expires.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(append(text, p.code(text)...)), expires
}

// Valid reports whether password was minted here and has not expired.
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

// Gate says who may use the registry.
type Gate struct {
	Passwords *Passwords
	Keys      identity.Keys // an access key's id and secret are taken as user and password, too
	// Open lets everybody in, so that `docker push` works without `docker login`. Meant for a server on loopback with development
	// credentials, where a password would keep out nobody.
	Open bool
	Now  func() time.Time
}

func (g *Gate) admits(user, password string) bool {
	if g.Open {
		return true
	}
	if user == User {
		return g.Passwords.Valid(password, g.Now())
	}
	key, ok := g.Keys.AccessKey(user)
	return ok && subtle.ConstantTimeCompare([]byte(key.Secret), []byte(password)) == 1
}
