package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha256"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"math/big"
	"net"
	"net/netip"
	"strings"
	"time"
)

// Lifetimes of certificates (decision 0320).
const (
	rootLife    = 10 * 365 * 24 * time.Hour
	issuingLife = 365 * 24 * time.Hour
	leafLife    = 90 * 24 * time.Hour
	issuingRest = leafLife + 30*24*time.Hour // an issuing certificate that expires sooner is replaced
	skew        = time.Hour                  // certificates are valid a little earlier, for clocks that are behind
)

// Constraints is what a root permits: names under the domains, and addresses of the networks.
type Constraints struct {
	Domains     []string
	Networks    []netip.Prefix
	NoAddresses bool
}

// Reserved permits the names and addresses that belong to no one but each machine itself.
var Reserved = Constraints{
	Domains:  []string{"test", "internal", "localhost", "home.arpa", "example", "local"},
	Networks: []netip.Prefix{netip.MustParsePrefix("127.0.0.0/8"), netip.MustParsePrefix("::1/128")},
}

// pair is a certificate and its key.
type pair struct {
	cert *x509.Certificate
	key  *ecdsa.PrivateKey
}

func newKey() (*ecdsa.PrivateKey, error) { return ecdsa.GenerateKey(elliptic.P256(), rand.Reader) }

// label returns a short name for a key.
func label(key *ecdsa.PrivateKey) (string, error) {
	der, err := x509.MarshalPKIXPublicKey(&key.PublicKey)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(der)
	return hex.EncodeToString(sum[:4]), nil
}

func newRoot(c Constraints, now time.Time) (*pair, error) {
	template := &x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, MaxPathLen: 1, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		NotBefore: now.Add(-skew), NotAfter: now.Add(rootLife),
		PermittedDNSDomainsCritical: true, PermittedDNSDomains: c.Domains,
	}
	for _, p := range c.Networks {
		template.PermittedIPRanges = append(template.PermittedIPRanges, &net.IPNet{
			IP: p.Masked().Addr().AsSlice(), Mask: net.CIDRMask(p.Bits(), p.Addr().BitLen())})
	}
	if c.NoAddresses {
		for _, all := range []string{"0.0.0.0/0", "::/0"} {
			_, n, err := net.ParseCIDR(all)
			if err != nil {
				return nil, err
			}
			template.ExcludedIPRanges = append(template.ExcludedIPRanges, n)
		}
	}
	return sign(template, "Berth Root", nil)
}

func newIssuing(root *pair, now time.Time) (*pair, error) {
	return sign(&x509.Certificate{
		IsCA: true, BasicConstraintsValid: true, MaxPathLenZero: true,
		KeyUsage:    x509.KeyUsageCertSign | x509.KeyUsageCRLSign,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		NotBefore:   now.Add(-skew), NotAfter: earlier(now.Add(issuingLife), root.cert.NotAfter),
	}, "Berth Issuing", root)
}

func newLeaf(issuing *pair, names []string, now time.Time) (*pair, error) {
	template := &x509.Certificate{
		BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature,
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, NotBefore: now.Add(-skew),
		NotAfter: earlier(now.Add(leafLife), issuing.cert.NotAfter),
	}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return sign(template, "", issuing)
}

// sign creates a key and a certificate for it. Without a parent the certificate is self-signed. With a kind the
// subject is made of kind and key; a leaf has alternative names only.
func sign(template *x509.Certificate, kind string, parent *pair) (*pair, error) {
	key, err := newKey()
	if err != nil {
		return nil, err
	}
	if kind != "" {
		id, err := label(key)
		if err != nil {
			return nil, err
		}
		template.Subject = pkix.Name{CommonName: kind + " " + id}
	}
	if parent == nil {
		parent = &pair{template, key}
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 128)); err != nil {
		return nil, err
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent.cert, &key.PublicKey, parent.key)
	if err != nil {
		return nil, err
	}
	cert, err := x509.ParseCertificate(der)
	return &pair{cert, key}, err
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

// validName reports whether s is a host name in lower case with at least two labels.
func validName(s string) bool {
	labels := strings.Split(s, ".")
	for _, l := range labels {
		if l == "" || len(l) > 63 || l[0] == '-' || l[len(l)-1] == '-' ||
			strings.Trim(l, "abcdefghijklmnopqrstuvwxyz0123456789-") != "" {
			return false
		}
	}
	return len(labels) > 1 && len(s) <= 253
}
