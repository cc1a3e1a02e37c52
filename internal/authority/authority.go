// Package authority is the local certificate authority. It issues certificates for names that are served on
// this machine.
//
// One root is for names that nobody can own: those under reserved domains (RFC 2606, RFC 6761, RFC 8375), and
// loopback addresses. Name constraints in the root protect everybody who trusts it: not even a stolen key can
// issue a certificate for a real site. A real name, such as that of an image registry, has a root of its own,
// constrained to that one name. Only the program that needs it should trust it, not the whole system (decision
// 0320).
//
// Each root has one issuing key, which is replaced long before it expires. Leaf certificates are issued on
// demand and never stored. Roots and issuing keys are files in a directory, readable by their owner only.
// Several processes may use one directory. All methods are safe for concurrent use.
package authority

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"
)

// Authority issues certificates under one root.
type Authority struct {
	dir  string
	name string // of the files, without suffix
	root *pair
	now  func() time.Time

	mu      sync.Mutex // guards what follows
	issuing *pair
	leaves  map[string]*tls.Certificate // by their names, joined
}

// Open opens the authority for reserved names in a directory. The first call creates it.
func Open(dir string, now func() time.Time) (*Authority, error) {
	return open(dir, "root", Reserved, now)
}

// OpenFor opens the authority for one real name in a directory. The first call creates it. It issues
// certificates for that name only.
func OpenFor(dir, name string, now func() time.Time) (*Authority, error) {
	name = strings.ToLower(name)
	if !validName(name) {
		return nil, fmt.Errorf("%q is not a host name", name)
	}
	return open(filepath.Join(dir, "names"), name, Constraints{Domains: []string{name}, NoAddresses: true}, now)
}

func open(dir, name string, c Constraints, now func() time.Time) (*Authority, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, err
	}
	path := filepath.Join(dir, name+".root.pem")
	root, err := readPair(path)
	if errors.Is(err, fs.ErrNotExist) {
		if root, err = newRoot(c, now()); err == nil {
			root, err = firstPair(path, root)
		}
	}
	if err != nil {
		return nil, err
	}
	if now().After(root.cert.NotAfter) {
		return nil, fmt.Errorf("the root certificate in %s expired on %s; move the file away, and install "+
			"the new root that is made then",
			path, root.cert.NotAfter.Format(time.DateOnly))
	}
	return &Authority{dir: dir, name: name, root: root, now: now, leaves: map[string]*tls.Certificate{}}, nil
}

// Root returns the root certificate.
func (a *Authority) Root() *x509.Certificate { return a.root.cert }

// RootPEM returns the root certificate in PEM.
func (a *Authority) RootPEM() []byte { return encode(a.root.cert) }

func encode(cert *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: cert.Raw})
}

// Certificate returns a certificate for names and IP addresses, with its chain up to the root. Calls return the
// same certificate until a third of its lifetime is left. It is an error if the root does not permit a name.
func (a *Authority) Certificate(names ...string) (*tls.Certificate, error) {
	if len(names) == 0 {
		return nil, errors.New("a certificate needs a name")
	}
	names = slices.Clone(names)
	slices.Sort(names)
	a.mu.Lock()
	defer a.mu.Unlock()
	key := strings.Join(names, " ")
	now := a.now()
	if c := a.leaves[key]; c != nil && !due(c.Leaf, now, leafLife/3) {
		return c, nil
	}
	if err := a.renewLocked(now); err != nil {
		return nil, err
	}
	leaf, err := newLeaf(a.issuing, names, now)
	if err != nil {
		return nil, err
	}
	c := &tls.Certificate{Certificate: [][]byte{leaf.cert.Raw, a.issuing.cert.Raw, a.root.cert.Raw},
		PrivateKey: leaf.key, Leaf: leaf.cert}
	if err := verify(c, a.root.cert, names, now); err != nil {
		return nil, err
	}
	if len(a.leaves) >= maxLeaves {
		clear(a.leaves)
	}
	a.leaves[key] = c
	return c, nil
}

// maxLeaves is the most leaf certificates that are kept in memory.
const maxLeaves = 1000

// renewLocked makes sure that the issuing certificate outlives a leaf issued now.
func (a *Authority) renewLocked(now time.Time) error {
	if a.issuing != nil && !due(a.issuing.cert, now, issuingRest) {
		return nil
	}
	path := filepath.Join(a.dir, a.name+".issuing.pem")
	issuing, err := readPair(path)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	if err != nil || due(issuing.cert, now, issuingRest) || issuing.cert.CheckSignatureFrom(a.root.cert) != nil {
		if issuing, err = newIssuing(a.root, now); err != nil {
			return err
		}
		if err := writePair(path, issuing); err != nil {
			return err
		}
	}
	a.issuing = issuing
	return nil
}

// due reports whether a certificate expires within rest and has to be replaced.
func due(c *x509.Certificate, now time.Time, rest time.Duration) bool {
	return !now.Before(c.NotAfter.Add(-rest))
}

// verify checks a new certificate as a client does, so that no certificate is returned that clients refuse.
func verify(c *tls.Certificate, root *x509.Certificate, names []string, now time.Time) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	roots.AddCert(root)
	issuing, err := x509.ParseCertificate(c.Certificate[1])
	if err != nil {
		return err
	}
	between.AddCert(issuing)
	for _, name := range names {
		if _, err := c.Leaf.Verify(x509.VerifyOptions{
			DNSName: name, Roots: roots, Intermediates: between, CurrentTime: now,
		}); err != nil {
			return fmt.Errorf("no certificate for %q: %w", name, err)
		}
	}
	return nil
}
