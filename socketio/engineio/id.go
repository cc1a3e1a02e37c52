package engineio

import (
	"crypto/rand"
	"encoding/base64"
)

// NewID returns 20 random characters of [A-Za-z0-9_-]: the form that load balancers and adapters
// expect of an id (socketio.md 0.5).
func NewID() string {
	var b [15]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])
}
