package identity

import (
	"encoding/base32"
	"encoding/base64"
	"fmt"
)

// AccessKey is a key pair and the one it belongs to. It must not be logged.
type AccessKey struct {
	ID        string // AKIA… for long-term keys, ASIA… for temporary ones
	Secret    string
	Principal Principal
}

// String keeps the secret out of logs and messages.
func (k AccessKey) String() string { return k.ID + " of " + k.Principal.ARN }

// GoString keeps the secret out of %#v.
func (k AccessKey) GoString() string { return k.String() }

// Keys finds long-term keys. Implementations are safe for concurrent use.
type Keys interface {
	AccessKey(id string) (AccessKey, bool)
}

// KeyRing is a fixed set of long-term keys by id.
type KeyRing map[string]AccessKey

// NewKeyRing makes a ring of the given keys.
func NewKeyRing(keys ...AccessKey) KeyRing {
	r := make(KeyRing, len(keys))
	for _, k := range keys {
		r[k.ID] = k
	}
	return r
}

// AccessKey implements Keys.
func (r KeyRing) AccessKey(id string) (AccessKey, bool) {
	k, ok := r[id]
	return k, ok
}

// KeyEntropy is how many random bytes NewAccessKey wants.
const KeyEntropy = 40

// NewAccessKey makes a long-term key of the account's root user from random bytes: an id of twenty
// characters that starts with AKIA and a secret of forty. It is an error to pass fewer than
// KeyEntropy bytes.
func NewAccessKey(account string, random []byte) (AccessKey, error) {
	if len(random) < KeyEntropy {
		return AccessKey{}, fmt.Errorf("an access key needs %d random bytes, not %d", KeyEntropy, len(random))
	}
	return AccessKey{
		ID:        "AKIA" + base32.StdEncoding.EncodeToString(random[:10]),
		Secret:    base64.RawStdEncoding.EncodeToString(random[10:40]),
		Principal: Root(account),
	}, nil
}
