// Package sigv4 verifies who made a request, by AWS Signature Version 4: in the Authorization
// header, in a presigned query, in a websocket handshake, and in the frames of the agent's
// telemetry socket. It also signs, for the agent and for tests.
//
// It verifies each request by itself: of earlier requests, a Verifier keeps only signing keys. A
// Verifier is safe for concurrent use. The package does not read bodies (the caller passes their
// hash), knows the service only from the signature's scope, and does not decide how an Error is
// written: each AWS protocol has its own codes for the same reasons.
package sigv4

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/identity"
)

const (
	// Skew is how far a signature's time and the server's clock may be apart.
	Skew = 15 * time.Minute
	// PresignSkew is how far in the future a presigned request may begin.
	PresignSkew = 5 * time.Minute
	// MaxPresign is the longest time a presigned request may be valid.
	MaxPresign = 7 * 24 * time.Hour
	// EmptyPayload is the hash of no bytes at all: of GET requests and websocket handshakes.
	EmptyPayload = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

	algorithm  = "AWS4-HMAC-SHA256"
	terminator = "aws4_request"
	timeFormat = "20060102T150405Z"
	dateFormat = "20060102"
)

// Reason says why a signature is not accepted.
type Reason int

// The reasons, in the order in which they are checked.
const (
	Missing      Reason = iota + 1 // neither an Authorization header nor a presigned query
	Incomplete                     // a part of the signature is missing or malformed
	Unsupported                    // a way of signing that this API does not support; the message names it
	Expired                        // signed too long ago, or a presigned request past its end
	NotYetValid                    // the time of the signature is in the future
	UnknownKey                     // no such access key, or a session token that is not ours
	ExpiredToken                   // temporary credentials past their end
	Mismatch                       // the signature was not made with this key
)

// Error says why a signature is not accepted. Message can be shown to the caller.
type Error struct {
	Reason  Reason
	Message string
}

// Error implements error.
func (e *Error) Error() string { return e.Message }

func refuse(r Reason, format string, args ...any) error {
	return &Error{Reason: r, Message: fmt.Sprintf(format, args...)}
}

// Identity is who made a request, and for which region and service it was signed.
type Identity struct {
	AccessKeyID string
	Principal   identity.Principal
	Region      string
	Service     string
}

// Verifier verifies signatures. It must not be copied after its first use; its methods may be
// called concurrently.
type Verifier struct {
	Keys   identity.Keys
	Minter *identity.Minter // nil: no temporary credentials are valid
	// Revoked reports whether temporary credentials of a principal are no longer valid although
	// they have not expired; nil means none are revoked.
	Revoked func(identity.Principal) bool

	signing signingKeys
}

// HashPayload returns the hash of a request's body as signatures use it: SHA-256 in lower-case hexadecimal.
func HashPayload(body []byte) string {
	sum := sha256.Sum256(body)
	return hex.EncodeToString(sum[:])
}

// Verify checks the signature of r, whose body has the given hash (HashPayload; EmptyPayload for a
// websocket handshake). A failure is an *Error.
func (v *Verifier) Verify(r *http.Request, payloadHash string, now time.Time) (Identity, error) {
	s, err := Read(r)
	if err != nil {
		return Identity{}, err
	}
	return v.Check(s, r, payloadHash, now)
}

// Check is Verify for a signature that has been read from r already.
func (v *Verifier) Check(s *Signature, r *http.Request, payloadHash string, now time.Time) (Identity, error) {
	if !arn.ValidRegion(s.Region) {
		return Identity{}, refuse(Mismatch,
			"Credential should be scoped to a valid region, such as us-east-1, not '%s'.", clip(s.Region))
	}
	if err := s.checkTime(now); err != nil {
		return Identity{}, err
	}
	if err := checkPayload(r, payloadHash); err != nil {
		return Identity{}, err
	}
	if err := s.checkSignedHeaders(r); err != nil {
		return Identity{}, err
	}
	key, err := v.key(s, now)
	if err != nil {
		return Identity{}, err
	}
	canonical := s.canonicalRequest(r, payloadHash)
	toSign := s.stringToSign(canonical)
	from := origin{key.Secret, s.Date, s.Region, s.Service}
	signing, kept := v.signing.get(from)
	if !kept {
		signing = signingKey(key.Secret, s.Scope)
	}
	if !hmac.Equal([]byte(sign(signing, toSign)), []byte(s.signature)) {
		return Identity{}, refuse(Mismatch, "The request signature we calculated does not match the "+
			"signature you provided. Check your AWS Secret Access Key and signing method. "+
			"Consult the service documentation for details.\n\nThe Canonical String for this request "+
			"should have been\n'%s'\n\nThe String-to-Sign should have been\n'%s'\n",
			canonical, toSign)
	}
	if !kept {
		v.signing.keep(from, signing)
	}
	return Identity{AccessKeyID: key.ID, Principal: key.Principal, Region: s.Region, Service: s.Service}, nil
}

// key returns the access key of the signature.
func (v *Verifier) key(s *Signature, now time.Time) (identity.AccessKey, error) {
	unknown := &Error{Reason: UnknownKey, Message: "The security token included in the request is invalid."}
	if s.token == "" {
		if v.Keys != nil {
			if k, ok := v.Keys.AccessKey(s.AccessKeyID); ok {
				return k, nil
			}
		}
		return identity.AccessKey{}, unknown
	}
	if v.Minter == nil {
		return identity.AccessKey{}, unknown
	}
	k, err := v.Minter.Open(s.AccessKeyID, s.token, now)
	switch {
	case errors.Is(err, identity.ErrExpiredToken):
		return k, refuse(ExpiredToken, "The security token included in the request is expired")
	case err != nil:
		return k, unknown
	case v.Revoked != nil && v.Revoked(k.Principal):
		return identity.AccessKey{}, unknown
	}
	return k, nil
}

// checkPayload compares the hash that the request announces, if any, with that of the body.
func checkPayload(r *http.Request, payloadHash string) error {
	announced := r.Header.Get("X-Amz-Content-Sha256")
	switch {
	case announced == "" || announced == payloadHash:
		return nil
	case len(announced) == 2*sha256.Size:
		return refuse(Mismatch, "The provided 'x-amz-content-sha256' header does not match what was computed.")
	}
	return refuse(Unsupported, "The value %q of the 'x-amz-content-sha256' header is not supported by this "+
		"API: sign the payload and send its SHA-256, or leave the header out.", announced)
}

// mustSign are the headers that a signature has to cover when the request has them, because they
// change what is asked for. Signatures name them in lower case.
var mustSign = []struct{ name, signed string }{
	{"X-Amz-Target", "x-amz-target"}, {"X-Amz-Date", "x-amz-date"}, {"X-Amz-Content-Sha256", "x-amz-content-sha256"},
}

func (s *Signature) checkSignedHeaders(r *http.Request) error {
	if !slices.Contains(s.headers, "host") {
		return refuse(Mismatch, "'Host' must be a 'SignedHeader' in the AWS Authorization.")
	}
	for _, h := range mustSign {
		if r.Header.Get(h.name) != "" && !slices.Contains(s.headers, h.signed) {
			return refuse(Mismatch,
				"The header '%s' is present and must be a 'SignedHeader' in the AWS Authorization.", h.name)
		}
	}
	return nil
}

// checkTime holds the time of signing against the clock.
func (s *Signature) checkTime(now time.Time) error {
	begin, end, tolerance := s.time, s.time.Add(Skew), Skew
	if s.presigned {
		end, tolerance = s.time.Add(s.expires), PresignSkew
	}
	stamp := func(t time.Time) string { return t.UTC().Format(timeFormat) }
	switch {
	case begin.After(now.Add(tolerance)):
		return refuse(NotYetValid, "Signature not yet current: %s is still later than %s (%s + %d min.)",
			stamp(begin), stamp(now.Add(tolerance)), stamp(now), int(tolerance.Minutes()))
	case !now.After(end):
		return nil
	case s.presigned:
		return refuse(Expired, "Signature expired: %s is now earlier than %s (the request was valid for %d s)",
			stamp(end), stamp(now), int(s.expires.Seconds()))
	}
	return refuse(Expired, "Signature expired: %s is now earlier than %s (%s - %d min.)", stamp(begin),
		stamp(now.Add(-Skew)), stamp(now), int(Skew.Minutes()))
}
