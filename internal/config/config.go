// Package config is the data directory: the names of its files, and the secrets that the first start creates.
//
// Everything in it is readable by its owner only. The journal, not this package, prevents two servers from
// using one directory at the same time.
package config

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/berthhq/berth/internal/identity"
)

// Dir is an opened data directory.
type Dir struct {
	Path string
	// Master is the key from which the keys for temporary credentials, page tokens and stickiness cookies are
	// derived. It is a secret: it can create credentials.
	Master []byte
	// AccessKey is the account's own key, created by the first start.
	AccessKey identity.AccessKey
}

type secrets struct {
	Account         string
	AccessKeyID     string
	SecretAccessKey string
	Master          []byte
}

const (
	secretsFile = "credentials.json"
	dirMode     = 0o700
)

// Files are the files that Open creates in the data directory.
var Files = []string{secretsFile}

// AddressFile holds the address where the server of the data directory was last reached. It means nothing in a
// copy of the directory.
const AddressFile = "address.json"

// Open opens the data directory of an account. If it is new, Open creates it and its secrets. A directory
// belongs to the account that it was created for.
func Open(path, account string) (*Dir, error) {
	if err := os.MkdirAll(path, dirMode); err != nil {
		return nil, fmt.Errorf("data directory: %w", err)
	}
	s, err := readSecrets(path)
	if errors.Is(err, fs.ErrNotExist) {
		s, err = makeSecrets(path, account)
	}
	if err != nil {
		return nil, err
	}
	if s.Account != account {
		return nil, fmt.Errorf("the data directory %s belongs to account %s, not %s: start with --account "+
			"%s or use another --data", path, s.Account, account, s.Account)
	}
	return &Dir{
		Path: path, Master: s.Master,
		AccessKey: identity.AccessKey{ID: s.AccessKeyID, Secret: s.SecretAccessKey, Principal: identity.Root(account)},
	}, nil
}

// Account returns the account that a data directory belongs to.
func Account(path string) (string, error) {
	s, err := readSecrets(path)
	return s.Account, err
}

// Credentials returns the access key of an existing data directory, for commands that call its server.
func Credentials(path string) (id, secret string, err error) {
	s, err := readSecrets(path)
	return s.AccessKeyID, s.SecretAccessKey, err
}

func readSecrets(path string) (s secrets, err error) {
	data, err := os.ReadFile(filepath.Join(path, secretsFile))
	if err != nil {
		return s, err
	}
	if err = json.Unmarshal(data, &s); err == nil {
		err = s.check()
	}
	if err != nil {
		return secrets{}, fmt.Errorf("%s is damaged: %w; put back the file that was there, or restore a backup",
			filepath.Join(path, secretsFile), err)
	}
	return s, nil
}

// check returns an error that says what is missing.
func (s secrets) check() error {
	switch {
	case s.Account == "":
		return errors.New("it has no account")
	case s.AccessKeyID == "" || s.SecretAccessKey == "":
		return errors.New("it has no access key")
	case len(s.Master) != identity.MasterKeySize:
		return fmt.Errorf("its master key has %d bytes and not %d", len(s.Master), identity.MasterKeySize)
	}
	return nil
}

// owner is a number derived from the master key, which no two directories share. It is a hash and reveals
// nothing of the key.
func (s secrets) owner() uint32 {
	sum := sha256.Sum256(append([]byte("owner of a journal\x00"), s.Master...))
	return max(1, binary.LittleEndian.Uint32(sum[:])) // 0 stands for no owner
}

// Owner returns the number that ties the state of a data directory to its keys, and the path of the file with
// the keys.
func Owner(path string) (id uint32, keys string, err error) {
	s, err := readSecrets(path)
	if err != nil {
		return 0, filepath.Join(path, secretsFile), err
	}
	return s.owner(), filepath.Join(path, secretsFile), nil
}

// Check calls report for each file that a server or a command could not read.
func Check(path string, report func(error)) {
	_, err := readSecrets(path)
	if errors.Is(err, fs.ErrNotExist) {
		err = fmt.Errorf("%s is missing; put back the file that was there, or restore a backup",
			filepath.Join(path, secretsFile))
	}
	if err != nil {
		report(err)
	}
	if _, err := ReadBlock(path); err != nil {
		report(err)
	}
	if _, err := LastAddress(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
		report(err)
	}
}

func makeSecrets(path, account string) (s secrets, err error) {
	random := make([]byte, identity.KeyEntropy)
	rand.Read(random)
	key, err := identity.NewAccessKey(account, random)
	if err != nil {
		return s, err
	}
	s = secrets{Account: account, AccessKeyID: key.ID, SecretAccessKey: key.Secret,
		Master: make([]byte, identity.MasterKeySize)}
	rand.Read(s.Master)
	data, err := json.MarshalIndent(s, "", "\t")
	if err != nil {
		return s, err
	}
	return s, writeDurably(path, secretsFile, data)
}

// writeDurably writes a file that exists completely after a crash, or not at all.
func writeDurably(dir, name string, data []byte) error {
	f, err := os.CreateTemp(dir, name+".*") // mode 0600
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	_, err = f.Write(data)
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return err
	}
	if err := os.Rename(f.Name(), filepath.Join(dir, name)); err != nil {
		return err
	}
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}

// Address is where the server of a data directory listens, or last listened, and its region.
type Address struct {
	Listen, Region string
	RegistryTLS    string // where images are served with TLS, or ""
	// Earlier are addresses that the server listened on before. Images that its agents pulled from there may
	// still be in Docker, under names that begin with these addresses.
	Earlier []string `json:",omitempty"`
}

// Remember stores where the server of this directory listens, for LastAddress.
func (d *Dir) Remember(a Address) error {
	data, err := json.MarshalIndent(a, "", "\t")
	if err != nil {
		return err
	}
	return writeDurably(d.Path, AddressFile, data)
}

// LastAddress returns the address that the last server of a data directory stored. The error is fs.ErrNotExist
// when there was no server yet.
func LastAddress(path string) (a Address, err error) {
	data, err := os.ReadFile(filepath.Join(path, AddressFile))
	if err != nil {
		return a, err
	}
	if err := json.Unmarshal(data, &a); err != nil {
		return a, fmt.Errorf("%s is damaged: %w", filepath.Join(path, AddressFile), err)
	}
	return a, nil
}

// Sub returns the path of a file or directory inside the data directory.
func (d *Dir) Sub(name string) string { return filepath.Join(d.Path, name) }
