// Package guard keeps web pages away from an API that listens on somebody's own machine.
//
// A page that is open in a browser can send requests to loopback, and by DNS rebinding it can even read the answers: its host
// name suddenly resolves to 127.0.0.1. Two checks stop it: the Host that a request names must be one by which this server is
// known, and a request that a browser sends for a page must be for a page of this server's own. Programs (the AWS CLI, SDKs,
// the agent) send neither Origin nor Sec-Fetch-Site and are not concerned.
//
// A Guard does not change after New and is safe for concurrent use.
package guard

import (
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"net/url"
	"strings"
)

// Guard is the two checks.
type Guard struct {
	hosts   []string // lower-case; ".x" allows every name under x
	origins map[string]bool
}

// localHosts are the names by which a server on this machine is known without being told.
var localHosts = []string{"localhost", ".localhost", ".localhost.localstack.cloud", "host.docker.internal", "gateway.docker.internal", ".amazonaws.com"}

// New makes a guard that allows IP literals, the names of this machine, and *.amazonaws.com, plus the given hosts (".x" for all
// names under x). origins are the web origins ("http://127.0.0.1:4567") whose pages may call besides the server's own.
func New(hosts, origins []string) (*Guard, error) {
	g := &Guard{hosts: append([]string{}, localHosts...), origins: map[string]bool{}}
	for _, h := range hosts {
		if h = strings.ToLower(h); strings.Trim(h, ".") == "" || strings.ContainsAny(h, "/:* ") {
			return nil, fmt.Errorf("%q is not a host name: want a name without scheme and port, or .name for all names under it", h)
		}
		g.hosts = append(g.hosts, h)
	}
	for _, o := range origins {
		u, err := url.Parse(o)
		if err != nil || u.Scheme == "" || u.Host == "" || u.Path != "" || u.RawQuery != "" {
			return nil, fmt.Errorf("%q is not a web origin: want scheme://host[:port] and nothing more", o)
		}
		g.origins[strings.ToLower(o)] = true
	}
	return g, nil
}

// Wrap puts the checks before next. What fails them is answered 403 with a sentence that says what to do about it.
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

// Refuses says why a request is not let through, or "".
func (g *Guard) Refuses(r *http.Request) string {
	if !g.knows(r.Host) {
		return fmt.Sprintf("This server does not answer to the host %q. If that name is meant for it, start it with --allow-host and the name.", clip(r.Host))
	}
	if origin := r.Header.Get("Origin"); origin != "" {
		if g.own(r, origin) || g.origins[strings.ToLower(origin)] {
			return ""
		}
		return fmt.Sprintf("Web pages of %q may not call this server. If they should, start it with --allow-origin and the origin.", clip(origin))
	}
	switch r.Header.Get("Sec-Fetch-Site") {
	case "", "same-origin", "none": // no browser, our own page, or an address typed in by a person
		return ""
	}
	return "Other sites' web pages may not call this server."
}

// knows reports whether host, with or without a port, is a name of this server.
func (g *Guard) knows(host string) bool {
	name := host
	if h, _, err := net.SplitHostPort(host); err == nil {
		name = h
	}
	name = strings.ToLower(strings.TrimSuffix(strings.Trim(name, "[]"), "."))
	if _, err := netip.ParseAddr(name); err == nil {
		return true
	}
	for _, h := range g.hosts {
		if name == h || strings.HasPrefix(h, ".") && strings.HasSuffix(name, h) && len(name) > len(h) {
			return true
		}
	}
	return false
}

// own reports whether origin is that of the server itself, as the request addressed it.
func (g *Guard) own(r *http.Request, origin string) bool {
	u, err := url.Parse(origin)
	return err == nil && (u.Scheme == "http" || u.Scheme == "https") && strings.EqualFold(u.Host, r.Host)
}

func clip(s string) string {
	if len(s) > 200 {
		return s[:200] + "…"
	}
	return s
}
