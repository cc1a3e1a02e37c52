package notify

import (
	"context"
	"crypto"
	"crypto/aes"
	"crypto/cipher"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/base64"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/topic"
)

const (
	keyBits = 2048
	// keyLife is how long the certificate is valid. It is long because receivers that have stored the certificate would
	// not notice a new one.
	keyLife = 10 * 365 * 24 * time.Hour
)

// keyring has the key that signs messages. It makes the key when the first message is signed.
type keyring struct {
	control.Env
	secret []byte

	mu  sync.Mutex // guards key, so that only one key is made
	key *signer
}

// signer is the key in use.
type signer struct {
	id   string // of its row
	path string // of the certificate, in the server's URLs
	key  *rsa.PrivateKey
	env  control.Env
}

// get returns the key that signs messages. A reset deletes its row, and the certificate with it; then get makes a new
// key.
func (k *keyring) get(ctx context.Context) (*signer, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	rows := &k.Store.View().SigningKeys
	if k.key != nil {
		if _, ok := rows.Get(k.key.id); ok {
			return k.key, nil
		}
	}
	for row := range rows.All() {
		var err error
		k.key, err = k.open(row)
		return k.key, err
	}
	row, err := k.make()
	if err != nil {
		return nil, err
	}
	// Commit is not used here: it would log the row, which has the key.
	err = k.Store.Update(ctx, func(tx *state.Tx) error { tx.SigningKeys.Put(row); return nil })
	if err != nil {
		return nil, err
	}
	k.key, err = k.open(row)
	return k.key, err
}

// make makes a key and its certificate.
func (k *keyring) make() (*topic.SigningKey, error) {
	key, err := rsa.GenerateKey(k.Random, keyBits)
	if err != nil {
		return nil, err
	}
	now := k.Now()
	template := &x509.Certificate{
		SerialNumber: new(big.Int).SetBytes(newid.Bytes(k.Random, 16)), Subject: pkix.Name{CommonName: "Berth SNS"},
		NotBefore: now.Add(-time.Hour), NotAfter: now.Add(keyLife), KeyUsage: x509.KeyUsageDigitalSignature,
		BasicConstraintsValid: true,
	}
	der, err := x509.CreateCertificate(k.Random, template, template, &key.PublicKey, key)
	if err != nil {
		return nil, err
	}
	plain, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, err
	}
	box, err := k.box()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256(der)
	nonce := newid.Bytes(k.Random, box.NonceSize())
	return &topic.SigningKey{
		ID: fmt.Sprintf("%x", sum[:16]), Sealed: box.Seal(nonce, nonce, plain, nil), CreatedAt: now,
		Certificate: string(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})),
	}, nil
}

func (k *keyring) box() (cipher.AEAD, error) {
	block, err := aes.NewCipher(k.secret)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCM(block)
}

// open decrypts a key.
func (k *keyring) open(row *topic.SigningKey) (*signer, error) {
	box, err := k.box()
	if err != nil {
		return nil, err
	}
	if len(row.Sealed) < box.NonceSize() {
		return nil, errors.New("the key that signs messages is damaged")
	}
	plain, err := box.Open(nil, row.Sealed[:box.NonceSize()], row.Sealed[box.NonceSize():], nil)
	if err != nil {
		return nil, fmt.Errorf("the key that signs messages cannot be decrypted: %w", err)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(plain)
	if err != nil {
		return nil, err
	}
	key, ok := parsed.(*rsa.PrivateKey)
	if !ok {
		return nil, errors.New("the key that signs messages is not an RSA key")
	}
	return &signer{row.ID, row.CertificatePath(), key, k.Env}, nil
}

// sign returns the signature of a text: version 1 is of its SHA-1, version 2 of its SHA-256, as AWS defines them.
func (s *signer) sign(version, text string) (string, error) {
	hash, sum := crypto.SHA1, sha1.Sum([]byte(text))
	digest := sum[:]
	if version == "2" {
		longer := sha256.Sum256([]byte(text))
		hash, digest = crypto.SHA256, longer[:]
	}
	signature, err := rsa.SignPKCS1v15(s.env.Random, s.key, hash, digest)
	return base64.StdEncoding.EncodeToString(signature), err
}
