package edge

import (
	"crypto/aes"
	"crypto/cipher"
	"crypto/sha256"
	"encoding/base64"
	"encoding/binary"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// Names of the cookies (alb.md K2, K11, K20).
const (
	cookieTarget     = "AWSALB"
	cookieTargetCORS = "AWSALBCORS"
	cookieApp        = "AWSALBAPP-0"
	cookieGroup      = "AWSALBTG"
	cookieGroupCORS  = "AWSALBTGCORS"
)

// cookieLife is the lifetime for browsers. How long a cookie is valid is inside its value (alb.md K3).
const cookieLife = 7 * 24 * time.Hour

// stickyID represents a target's key or a target group's ARN in a cookie.
type stickyID [16]byte

func idOf(s string) stickyID {
	sum := sha256.Sum256([]byte(s))
	return stickyID(sum[:16])
}

// sealer creates and opens the values of cookies. They are encrypted and authenticated: a client can neither
// read nor create one, nor use a value in another cookie.
type sealer struct{ aead cipher.AEAD }

func newSealer(key [32]byte) (*sealer, error) {
	block, err := aes.NewCipher(key[:])
	if err != nil {
		return nil, err
	}
	aead, err := cipher.NewGCMWithRandomNonce(block)
	return &sealer{aead}, err
}

// seal returns a value for id as of now. kind is the name of the cookie.
func (s *sealer) seal(kind string, id stickyID, now time.Time) string {
	plain := binary.BigEndian.AppendUint64(id[:], uint64(now.UnixMilli()))
	return base64.RawURLEncoding.EncodeToString(s.aead.Seal(nil, nil, plain, []byte(kind)))
}

// open opens a value that is not older than life.
func (s *sealer) open(kind, value string, now time.Time, life time.Duration) (id stickyID, ok bool) {
	raw, err := base64.RawURLEncoding.DecodeString(value)
	if err != nil {
		return id, false
	}
	plain, err := s.aead.Open(nil, nil, raw, []byte(kind))
	if err != nil || len(plain) != len(id)+8 {
		return id, false
	}
	age := now.Sub(time.UnixMilli(int64(binary.BigEndian.Uint64(plain[len(id):]))))
	return stickyID(plain), age <= life
}

// boundGroup returns the group of the action that the client's cookie names, or nil. A group of weight 0 keeps
// its clients (alb.md K21).
func (x *exchange) boundGroup(f *route.Forward) *use {
	if f.Sticky <= 0 {
		return nil
	}
	for _, name := range []string{cookieGroup, cookieGroupCORS} {
		if id, ok := x.openCookie(cookieGroup, name, f.Sticky); ok {
			for _, u := range f.Uses() {
				if kept := keptUse(u); kept.group.id == id {
					return kept
				}
			}
		}
	}
	return nil
}

// boundTarget returns the target that the client's cookie names if it may get new requests, or nil (alb.md K4,
// K5, K12).
func (x *exchange) boundTarget(g *route.Group) *route.Target {
	names := []string{cookieTarget, cookieTargetCORS}
	switch {
	case g.Stickiness == "":
		return nil
	case g.Stickiness == elb.AppCookie:
		if _, ok := cookie(x.req.Header, g.AppCookieName); !ok {
			return nil
		}
		names = []string{cookieApp}
	}
	for _, name := range names {
		if id, ok := x.openCookie(names[0], name, g.StickyFor); ok {
			if u, ok := x.e.byID.Load(id); ok {
				if t := g.Find(u.(*upstream).key); t != nil {
					return t
				}
			}
		}
	}
	return nil
}

func (x *exchange) openCookie(kind, name string, life time.Duration) (stickyID, bool) {
	value, ok := cookie(x.req.Header, name)
	if !ok {
		return stickyID{}, false
	}
	return x.e.seal.open(kind, value, time.Now(), life)
}

// appendCookies appends the Set-Cookie fields that bind the client to the target and group of its request. Each
// response renews both lifetimes.
func (x *exchange) appendCookies(out []byte, now time.Time) []byte {
	f, g := x.rule.Forward, x.group
	if f.Sticky == 0 && g.Stickiness == "" {
		return out
	}
	expires := now.Add(cookieLife).UTC().Format("Mon, 02 Jan 2006 15:04:05 GMT")
	if f.Sticky > 0 {
		v := x.e.seal.seal(cookieGroup, x.use.group.id, now)
		out = appendCookie(out, cookieGroup, v, expires, "")
		out = appendCookie(out, cookieGroupCORS, v, expires, "; SameSite=None; Secure")
	}
	switch {
	case g.Stickiness == elb.LBCookie:
		v := x.e.seal.seal(cookieTarget, x.up.id, now)
		out = appendCookie(out, cookieTarget, v, expires, "")
		out = appendCookie(out, cookieTargetCORS, v, expires, "; SameSite=None; Secure")
	case g.Stickiness == elb.AppCookie && (x.bound || setsCookie(x.res.Header, g.AppCookieName)):
		out = appendCookie(out, cookieApp, x.e.seal.seal(cookieApp, x.up.id, now), expires, "")
	}
	return out
}

func appendCookie(out []byte, name, value, expires, more string) []byte {
	out = append(out, "Set-Cookie: "...)
	out = append(out, name...)
	out = append(out, '=')
	out = append(out, value...)
	out = append(out, "; Expires="...)
	out = append(out, expires...)
	out = append(out, "; Path=/"...)
	out = append(out, more...)
	return append(out, "\r\n"...)
}

// cookie returns the value of the first cookie of the name in a request.
func cookie(header []route.Field, name string) (string, bool) {
	for i := range header {
		if !h1.SameName(header[i].Name, "Cookie") {
			continue
		}
		for rest := header[i].Value; rest != ""; {
			var pair string
			pair, rest, _ = strings.Cut(rest, ";")
			if k, v, ok := strings.Cut(strings.TrimLeft(pair, " "), "="); ok && k == name {
				return v, true
			}
		}
	}
	return "", false
}

func setsCookie(header []route.Field, name string) bool {
	for i := range header {
		if h1.SameName(header[i].Name, "Set-Cookie") {
			if k, _, ok := strings.Cut(header[i].Value, "="); ok && k == name {
				return true
			}
		}
	}
	return false
}
