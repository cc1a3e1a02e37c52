package server

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/authority"
	"github.com/berthhq/berth/internal/awswire/guard"
	"github.com/berthhq/berth/internal/registry"
	"github.com/berthhq/berth/internal/repository"
)

// secureRegistry serves images with TLS under the names that AWS gives registries, so that docker push goes to the repositoryUri as
// it is (docs/registry.md). Nobody but /v2/ is served there.
type secureRegistry struct {
	server   *Server
	listener net.Listener
	http     *http.Server
}

// openSecureRegistry listens at the address that the configuration says; it does nothing without one.
func (s *Server) openSecureRegistry(gate *guard.Guard) error {
	if s.cfg.RegistryTLS == "" {
		return nil
	}
	r := &secureRegistry{server: s}
	var err error
	if r.listener, err = net.Listen("tcp", s.cfg.RegistryTLS); err != nil {
		return fmt.Errorf("the registry's TLS address: %w (ports below 1024 need root, or CAP_NET_BIND_SERVICE)", err)
	}
	s.closers = append(s.closers, func() error { return ignoreClosed(r.listener.Close()) })
	mux := http.NewServeMux()
	mux.Handle("/v2/", s.recorded(registry.NewHandler(s.registry, s.gate(), s.cfg.Logger.With("room", "registry"))))
	r.http = s.front(gate.Wrap(mux), maxConnections(descriptors())/4)
	r.http.TLSConfig = &tls.Config{MinVersion: tls.VersionTLS12, GetCertificate: r.certificate}
	s.secure = r
	return nil
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
	_ = r.http.Close() // pushes that are cut go on where they were
	if err := <-served; !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return nil
}

// certificate finds the certificate for the name that a client asks for: of a registry of this account, from the root that is made
// for this one name, or of this machine.
func (r *secureRegistry) certificate(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
	dir, name := r.server.dir.Sub("ca"), strings.ToLower(hello.ServerName)
	if r.hosts(name) {
		a, err := r.server.authorities.of(name, func() (*authority.Authority, error) { return authority.OpenFor(dir, name, time.Now) })
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

// hosts reports whether a name is that of a registry of this account in a region that is used: the server's own, and those with
// repositories. Nobody can make the server keep keys for names that he thinks up.
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

// authority is the one for the names of this machine. It is made when it is needed first.
func (s *Server) authority() (*authority.Authority, error) {
	return s.authorities.of("", func() (*authority.Authority, error) { return authority.Open(s.dir.Sub("ca"), time.Now) })
}

// rootCertificate answers with the root that programs may trust for names of this machine.
func (s *Server) rootCertificate(w http.ResponseWriter, _ *http.Request) {
	a, err := s.authority()
	if err != nil {
		s.cfg.Logger.Error("the certificate authority cannot be used", "error", err)
		http.Error(w, "the certificate authority cannot be used; the server's log says why", http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-pem-file")
	_, _ = w.Write(a.RootPEM()) // there is nobody left to tell
}
