package server

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/authority"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/repository"
)

// secureRegistry serves images with TLS under the names of ECR, so that docker push to a repositoryUri works
// unchanged (docs/registry.md). It serves only /v2/.
type secureRegistry struct {
	server   *Server
	listener net.Listener
	http     *http.Server
}

// openSecureRegistry listens on the configured address, if there is one.
func (s *Server) openSecureRegistry(context.Context) error {
	if s.cfg.RegistryTLS == "" {
		return nil
	}
	filter, err := s.guard()
	if err != nil {
		return err
	}
	r := &secureRegistry{server: s}
	if r.listener, err = net.Listen("tcp", s.cfg.RegistryTLS); err != nil {
		return fmt.Errorf("the registry's TLS address: %w (ports below 1024 need root, or CAP_NET_BIND_SERVICE)", err)
	}
	mux := http.NewServeMux()
	mux.Handle("/v2/", s.recorded(registry.NewHandler(s.registry, s.access(), s.cfg.Logger.With("part", "registry"))))
	r.http = s.front(filter.Wrap(mux), maxConnections(descriptors())/4)
	r.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: r.certificate}
	s.secure = r
	return nil
}

// serveSecureRegistry serves until ctx ends, if there is a TLS address.
func (s *Server) serveSecureRegistry(ctx context.Context) error {
	if s.secure == nil {
		return nil
	}
	return s.secure.run(ctx.Done())
}

func (s *Server) closeSecureRegistry() error {
	if s.secure == nil {
		return nil
	}
	return ignoreClosed(s.secure.listener.Close())
}

// run serves until end is closed.
func (r *secureRegistry) run(end <-chan struct{}) error {
	served := make(chan error, 1)
	go func() { served <- r.http.ServeTLS(r.listener, "", "") }()
	select {
	case err := <-served:
		return err
	case <-end:
	}
	_ = r.http.Close() // clients resume interrupted pushes
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// certificate returns the certificate for the name that a client asks for: for a registry of this account, from
// the root that is for this name only, else from the root of this machine.
func (r *secureRegistry) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	dir, name := r.server.storage("ca"), strings.ToLower(hello.ServerName)
	if r.hosts(name) {
		a, err := r.server.authorities.of(name,
			func() (*authority.Authority, error) { return authority.OpenFor(dir, name, time.Now) })
		if err != nil {
			return nil, err
		}
		return a.Certificate(name)
	}
	a, err := r.server.authority()
	if err != nil {
		return nil, err
	}
	if name == "" {
		name = hello.Conn.LocalAddr().(*net.TCPAddr).IP.String()
	}
	return a.Certificate(name)
}

// hosts reports whether a name is that of a registry of this account in a region in use: the server's own, and
// those with repositories. So callers cannot make the server create keys for made-up names.
func (r *secureRegistry) hosts(name string) bool {
	if name == repository.Host(r.server.cfg.Region, r.server.cfg.Account) {
		return true
	}
	for repo := range r.server.store.View().Repositories.All() {
		if name == repository.Host(repo.Region, repo.Account) {
			return true
		}
	}
	return false
}

// authority returns the certificate authority for names of this machine. It is created when it is first needed.
func (s *Server) authority() (*authority.Authority, error) {
	return s.authorities.of("",
		func() (*authority.Authority, error) { return authority.Open(s.storage("ca"), time.Now) })
}

// rootCertificate serves the root certificate that programs may trust for names of this machine.
func (s *Server) rootCertificate(w http.ResponseWriter, _ *http.Request) {
	a, err := s.authority()
	if err != nil {
		s.cfg.Logger.Error("the certificate authority cannot be used", "error", err)
		http.Error(w, "the certificate authority cannot be used; the server's log says why",
			http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(a.RootPEM()) // the client has gone if this fails
}
