package ec2

import (
	"bytes"
	"context"
	"crypto"
	"crypto/ed25519"
	"crypto/md5"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha1"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/newid"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/tag"
)

func (a *api) createKeyPair(
	ctx context.Context, call *awswire.Call, in *shape.CreateKeyPairInput,
) (*shape.CreateKeyPairOutput, error) {
	if in.KeyFormat == "ppk" {
		return nil, fault.New("UnsupportedOperation", "The key format ppk is not supported: use pem.")
	}
	tags, err := tagsFor("key-pair", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	k := &fleet.KeyPair{Name: request.Value(in.KeyName), ID: newid.EC2(call.Random, "key"),
		Region: call.Region, Account: call.Account, Type: "rsa", CreatedAt: call.Now, Tags: tags}
	if in.KeyType != "" {
		k.Type = in.KeyType
	}
	material, err := generateKey(k)
	if err != nil {
		return nil, err
	}
	if err := a.putKey(ctx, k); err != nil {
		return nil, err
	}
	return &shape.CreateKeyPairOutput{KeyName: &k.Name, KeyPairId: &k.ID, KeyFingerprint: &k.Fingerprint,
		KeyMaterial: &material, Tags: answerTags(tags)}, nil
}

func (a *api) putKey(ctx context.Context, k *fleet.KeyPair) error {
	if k.Name == "" || len(k.Name) > 255 {
		return invalid("Value (%s) for parameter KeyName is invalid. A name has 1 to 255 characters.", k.Name)
	}
	return a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.KeyPairs.Get(k.Key()); ok {
			return fault.New("InvalidKeyPair.Duplicate", "The keypair '%s' already exists.", k.Name)
		}
		tx.KeyPairs.Put(k)
		return nil
	})
}

// generateKey makes a key of k's type, fills in k's public half and fingerprint, and returns the
// private half, which is kept nowhere.
func generateKey(k *fleet.KeyPair) (string, error) {
	if k.Type == "ed25519" {
		public, private, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return "", err
		}
		block, err := ssh.MarshalPrivateKey(private, k.Name)
		if err != nil {
			return "", err
		}
		return string(pem.EncodeToMemory(block)), describeKey(k, public)
	}
	private, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return "", err
	}
	if err := describeKey(k, private.Public()); err != nil {
		return "", err
	}
	der, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		return "", err
	}
	sum := sha1.Sum(der) // what EC2 prints for keys it has made itself
	k.Fingerprint = colons(sum[:])
	return string(pem.EncodeToMemory(&pem.Block{
		Type: "RSA PRIVATE KEY", Bytes: x509.MarshalPKCS1PrivateKey(private),
	})), nil
}

// describeKey fills in the public half and the fingerprint that EC2 prints for imported keys: MD5
// of an RSA key's DER, SHA-256 of an ED25519 one's SSH form.
func describeKey(k *fleet.KeyPair, public crypto.PublicKey) error {
	sshKey, err := ssh.NewPublicKey(public)
	if err != nil {
		return err
	}
	k.PublicKey = strings.TrimSpace(string(ssh.MarshalAuthorizedKey(sshKey))) + " " + k.Name
	if k.Type == "ed25519" {
		k.Fingerprint = strings.TrimPrefix(ssh.FingerprintSHA256(sshKey), "SHA256:")
		return nil
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return err
	}
	sum := md5.Sum(der)
	k.Fingerprint = colons(sum[:])
	return nil
}

func colons(sum []byte) string {
	var parts []string
	for _, b := range sum {
		parts = append(parts, hex.EncodeToString([]byte{b}))
	}
	return strings.Join(parts, ":")
}

func (a *api) importKeyPair(
	ctx context.Context, call *awswire.Call, in *shape.ImportKeyPairInput,
) (*shape.ImportKeyPairOutput, error) {
	tags, err := tagsFor("key-pair", in.TagSpecifications)
	if err != nil {
		return nil, err
	}
	k := &fleet.KeyPair{Name: request.Value(in.KeyName), ID: newid.EC2(call.Random, "key"),
		Region: call.Region, Account: call.Account, CreatedAt: call.Now, Tags: tags}
	if err := importKey(k, in.PublicKeyMaterial); err != nil {
		return nil, err
	}
	if err := a.putKey(ctx, k); err != nil {
		return nil, err
	}
	return &shape.ImportKeyPairOutput{
		KeyName: &k.Name, KeyPairId: &k.ID, KeyFingerprint: &k.Fingerprint, Tags: answerTags(tags),
	}, nil
}

// importKey reads an OpenSSH public key, or a PEM one.
func importKey(k *fleet.KeyPair, material []byte) error {
	malformed := fault.New("InvalidKey.Format", "Key is not in valid OpenSSH public key format")
	var public crypto.PublicKey
	if block, _ := pem.Decode(bytes.TrimSpace(material)); block != nil {
		key, err := x509.ParsePKIXPublicKey(block.Bytes)
		if err != nil {
			return malformed.With(err)
		}
		public = key
	} else {
		key, _, _, _, err := ssh.ParseAuthorizedKey(material)
		if err != nil {
			return malformed.With(err)
		}
		c, ok := key.(ssh.CryptoPublicKey)
		if !ok {
			return malformed
		}
		public = c.CryptoPublicKey()
	}
	switch public.(type) {
	case *rsa.PublicKey:
		k.Type = "rsa"
	case ed25519.PublicKey:
		k.Type = "ed25519"
	default:
		return malformed
	}
	return describeKey(k, public)
}

func keyByID(t *state.Tables, call *awswire.Call, id string) (*fleet.KeyPair, bool) {
	for k := range t.KeyPairs.Prefix(fleet.KeyPrefix(call.Region, call.Account)) {
		if k.ID == id {
			return k, true
		}
	}
	return nil, false
}

// deleteKeyPair succeeds for a key that is not there, as on EC2.
func (a *api) deleteKeyPair(
	ctx context.Context, call *awswire.Call, in *shape.DeleteKeyPairInput,
) (*shape.DeleteKeyPairOutput, error) {
	if request.Value(in.KeyName) == "" && request.Value(in.KeyPairId) == "" {
		return nil, fault.New("MissingParameter", "The request must contain the parameter KeyName or KeyPairId")
	}
	out := &shape.DeleteKeyPairOutput{Return: new(true)}
	return out, a.store.Update(ctx, func(tx *state.Tx) error {
		k, ok := tx.KeyPairs.Get(fleet.Key(call.Region, call.Account, request.Value(in.KeyName)))
		if !ok {
			k, ok = keyByID(&tx.Tables, call, request.Value(in.KeyPairId))
		}
		if ok {
			out.KeyPairId = &k.ID
			tx.KeyPairs.Delete(k.Key())
		}
		return nil
	})
}

func (a *api) describeKeyPairs(
	_ context.Context, call *awswire.Call, in *shape.DescribeKeyPairsInput,
) (*shape.DescribeKeyPairsOutput, error) {
	t := &a.store.View().Tables
	names := slices.Clone(in.KeyNames)
	for _, id := range in.KeyPairIds {
		k, ok := keyByID(t, call, id)
		if !ok {
			return nil, fault.New("InvalidKeyPair.NotFound", "The key pair ID '%s' does not exist", id)
		}
		names = append(names, k.Name)
	}
	l := lister[*fleet.KeyPair]{
		id: func(k *fleet.KeyPair) string { return k.Name }, sample: &fleet.KeyPair{},
		tags: func(k *fleet.KeyPair) tag.Set { return k.Tags },
		missing: func(ids []string) error {
			return fault.New("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", ids[0])
		},
		fields: func(k *fleet.KeyPair) map[string][]string {
			return map[string][]string{"key-name": {k.Name}, "key-pair-id": {k.ID},
				"fingerprint": {k.Fingerprint}, "key-type": {k.Type}}
		},
	}
	found, _, err := l.find(call, slices.Collect(t.KeyPairs.Prefix(fleet.KeyPrefix(call.Region, call.Account))),
		query{names, in.Filters, pages.Ask(nil, nil)})
	out := &shape.DescribeKeyPairsOutput{}
	for _, k := range found {
		info := shape.KeyPairInfo{KeyName: &k.Name, KeyPairId: &k.ID, KeyFingerprint: &k.Fingerprint,
			KeyType: k.Type, CreateTime: &k.CreatedAt, Tags: answerTags(k.Tags)}
		if request.Value(in.IncludePublicKey) {
			info.PublicKey = &k.PublicKey
		}
		out.KeyPairs = append(out.KeyPairs, info)
	}
	return out, err
}
