// Package guard prevents web pages from calling an API that listens on the user's own machine.
//
// A page that is open in a browser can send requests to this machine. With DNS rebinding, where the page's host name
// suddenly resolves to 127.0.0.1, it can even read the answers. Three checks prevent that:
//
//   - The Host of a request must be a name of this server.
//   - If the browser says that a page caused the request (Origin, Sec-Fetch-Site), the page must be one that may call.
//   - A request that is signed with a published key (test/test of the development credentials) must not come from a
//     browser at all. Browsers send neither Origin nor Sec-Fetch-Site with the GET of an image, a script, a link or a
//     form to a plain HTTP address that is not loopback. So this check looks at header fields that every browser sends
//     and that no page can remove. Requests that are signed with a secret key need no such check, since a page cannot
//     know the key.
//
// Programs (the AWS CLI, SDKs, curl, docker, the agent) send none of these header fields.
//
// A Guard does not change after New and is safe for concurrent use.
package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Config says who may call.
type Config struct {
	// Hosts are names of this server besides IP addresses, localhost and the others of localHosts.
	// ".x" stands for every name under x.
	Hosts []string
	// Origins are the web origins ("http://127.0.0.1:4567") whose pages may call.
	Origins []string
	// PublishedKeys are the IDs of access keys whose secrets are publicly known.
	PublishedKeys []string
}

// Guard does the three checks.
type Guard struct {
	hosts     []string // lower-case; ".x" allows every name under x
	origins   map[string]bool
	published []string
}

// localHosts are names that every server on a developer's machine may have.
var localHosts = []string{
	"localhost", ".localhost", ".localhost.localstack.cloud",
	"host.docker.internal", "gateway.docker.internal", ".amazonaws.com",
}

// New returns a guard. It returns an error if a host in c is not a host name or an origin is not a web origin.
func New(c Config) (*Guard, error) {
	g := &Guard{hosts: slices.Clone(localHosts), origins: map[string]bool{}, published: c.PublishedKeys}
	for _, h := range c.Hosts {
		if h = strings.ToLower(h); strings.Trim(h, ".") == "" || strings.ContainsAny(h, "/:* ") {
			return nil, fmt.Errorf("%q is not a host name: want a name without scheme and port, or .name "+
				"for all names under it", h)
		}
		g.hosts = append(g.hosts, h)
	}
	for _, o := range c.Origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("%q is not a web origin: want scheme://host[:port] and nothing more", o)
		}
		g.origins[strings.ToLower(o)] = true
	}
	return g, nil
}

// Wrap returns a handler that calls next for requests that pass the checks. It answers others with status 403 and a
// sentence that says what to do about it.
func (g *Guard) Wrap(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if why := g.Refuses(r); why != "" {
			w.Header().Set("Content-Type", "text/plain; charset=utf-8")
			w.Header().Set("Cache-Control", "no-store")
			w.WriteHeader(http.StatusForbidden)
			fmt.Fprintln(w, why)
			return
		}
		next.ServeHTTP(w, r)
	})
}

// Refuses returns why a request does not pass the checks, or "" if it does.
func (g *Guard) Refuses(r *http.Request) string {
	host := hostname(r.Host)
	if !g.knows(host) {
		return fmt.Sprintf("This server does not answer to the host %q. If that name is meant for it, "+
			"start it with --allow-host and the name.", clip(r.Host))
	}
	if origins := r.Header.Values("Origin"); len(origins) > 0 {
		for _, o := range origins {
			if !g.origins[strings.ToLower(o)] && !own(r, o, host) {
				return fmt.Sprintf("Web pages of %q may not call this server. If they should, "+
					"start it with --allow-origin and the origin.", clip(o))
			}
		}
		return ""
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // no browser, a page of this server, or an address typed by a person
	default:
		return "Other sites' web pages may not call this server."
	}
	if fromBrowser(r, host) && g.maybeSignedByPage(r, host) {
		return "A browser may not send requests that are signed with a published access key (test), " +
			"because any web page " +
			"could have made them. Send it with a program, sign with the server's own key (berth env prints it), " +
			"or, for a web page that should call, start the server with --allow-origin and the page's origin."
	}
	return ""
}

// maybeSignedByPage reports whether a web page may have made and signed a request without an Origin: it is signed with
// a published key, in the query or in a header.
//
// A page can set headers only in requests to its own origin, and with those browsers send an Origin unless the method
// is GET or HEAD. So a signature in a header is suspicious only with these methods, and only if the host is a name
// that an attacker's DNS server may have resolved to this machine.
func (g *Guard) maybeSignedByPage(r *http.Request, host string) bool {
	scope, ok := sigv4.ReadScope(r)
	if !ok || !slices.Contains(g.published, scope.AccessKeyID) {
		return false
	}
	inQuery := r.Header.Get("Authorization") == ""
	return inQuery || resolved(host) && (r.Method == http.MethodGet || r.Method == http.MethodHead)
}

// fromBrowser reports whether a request has header fields that every browser sends. A page cannot remove
// Accept-Language, and cannot change User-Agent in a request to another origin. Node.js and Deno send
// "Accept-Language: *"; a page can send that too, but only to its own origin.
func fromBrowser(r *http.Request, host string) bool {
	agent := r.UserAgent()
	if strings.Contains(agent, "Mozilla/") && !strings.Contains(agent, "PowerShell/") {
		return true
	}
	languages := r.Header.Values("Accept-Language")
	return len(languages) > 0 && (resolved(host) || !slices.Equal(languages, []string{"*"}))
}

// hostname returns the name in a Host header, in lower case without port, brackets and final dot.
func hostname(host string) string {
	if h, _, err := net.SplitHostPort(host); err == nil {
		host = h
	}
	return strings.ToLower(strings.TrimSuffix(strings.Trim(host, "[]"), "."))
}

// knows reports whether host is a name of this server.
func (g *Guard) knows(host string) bool {
	if _, err := netip.ParseAddr(host); err == nil {
		return true
	}
	for _, h := range g.hosts {
		if host == h || strings.HasPrefix(h, ".") && strings.HasSuffix(host, h) && len(host) > len(h) {
			return true
		}
	}
	return false
}

// resolved reports whether a browser asks a DNS server for the address of host. An attacker who controls that DNS
// server can first let the browser load a page from another address, and then resolve the same name to this machine.
func resolved(host string) bool {
	_, err := netip.ParseAddr(host)
	return err != nil && host != "localhost" && !strings.HasSuffix(host, ".localhost")
}

// own reports whether origin is the origin of this server, with the host that the request has. If the host is resolved
// by DNS, only TLS proves that the page came from this server.
func own(r *http.Request, origin, host string) bool {
	u, err := url.Parse(origin)
	if err != nil || !strings.EqualFold(u.Host, r.Host) {
		return false
	}
	return u.Scheme == "https" || u.Scheme == "http" && !resolved(host)
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
