package authority

import (
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// readPair reads a certificate and its key from one file. A damaged file is never replaced, because programs
// may still trust what was issued with its key.
func readPair(path string) (*pair, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	p, err := parsePair(text)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w", path, err)
	}
	return p, nil
}

func parsePair(text []byte) (*pair, error) {
	var p pair
	for {
		block, rest := pem.Decode(text)
		if block == nil {
			break
		}
		var err error
		switch text = rest; block.Type {
		case "CERTIFICATE":
			p.cert, err = x509.ParseCertificate(block.Bytes)
		case "EC PRIVATE KEY":
			p.key, err = x509.ParseECPrivateKey(block.Bytes)
		}
		if err != nil {
			return nil, err
		}
	}
	if p.cert == nil || p.key == nil {
		return nil, errors.New("it must hold a certificate and its key")
	}
	if !p.key.PublicKey.Equal(p.cert.PublicKey) {
		return nil, errors.New("the key is not that of the certificate")
	}
	return &p, nil
}

// firstPair writes a pair unless another process has written one, and returns the pair in the file.
func firstPair(path string, p *pair) (*pair, error) {
	temporary, err := writeTemporary(path, p)
	if err != nil {
		return nil, err
	}
	defer os.Remove(temporary)
	switch err := os.Link(temporary, path); {
	case errors.Is(err, fs.ErrExist):
		return readPair(path)
	case err != nil:
		return nil, err
	}
	return p, syncDir(filepath.Dir(path))
}

// writePair replaces the pair in a file.
func writePair(path string, p *pair) error {
	temporary, err := writeTemporary(path, p)
	if err != nil {
		return err
	}
	if err := os.Rename(temporary, path); err != nil {
		return errors.Join(err, os.Remove(temporary))
	}
	return syncDir(filepath.Dir(path))
}

func writeTemporary(path string, p *pair) (string, error) {
	der, err := x509.MarshalECPrivateKey(p.key)
	if err != nil {
		return "", err
	}
	f, err := os.CreateTemp(filepath.Dir(path), filepath.Base(path)+".*") // mode 0600
	if err != nil {
		return "", err
	}
	_, err = f.Write(append(encode(p.cert), pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der})...))
	if err = errors.Join(err, f.Sync(), f.Close()); err != nil {
		return "", errors.Join(err, os.Remove(f.Name()))
	}
	return f.Name(), nil
}

func syncDir(dir string) error {
	d, err := os.Open(dir)
	if err != nil {
		return err
	}
	return errors.Join(d.Sync(), d.Close())
}
