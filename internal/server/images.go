package server

import (
	"context"
	"net"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/config"
)

// address returns what commands and later starts need to know of where this server listens.
func (s *Server) address() config.Address {
	a := config.Address{Listen: s.Addr(), Region: s.cfg.Region, RegistryTLS: s.cfg.RegistryTLS}
	last, err := config.LastAddress(s.dir.Path)
	if err != nil { // there is none, or it was damaged: what it said is lost
		return a
	}
	for _, address := range append(last.Earlier, last.Listen) {
		if address != "" && address != a.Listen && !slices.Contains(a.Earlier, address) {
			a.Earlier = append(a.Earlier, address)
		}
	}
	return a
}

// forgetEarlierImages removes the names of images that agents pulled while this server listened on another
// address: nothing pulls by these names any more. Running containers keep their images, which then have no
// name. What cannot be removed is tried again at the next start.
func (s *Server) forgetEarlierImages(ctx context.Context) error {
	if s.cfg.Machines != nil {
		return nil // its instances are not in this machine's Docker
	}
	a := s.address()
	before := len(a.Earlier)
	a.Earlier = slices.DeleteFunc(a.Earlier, func(address string) bool {
		if answers(ctx, address) {
			return false // another server may have the address now, and images of its own by it
		}
		err := s.docker().ForgetImages(ctx, address)
		if err != nil {
			s.cfg.Logger.Debug("images still have names of an earlier address of this server", "address", address,
				"error", err)
		}
		return err == nil
	})
	if len(a.Earlier) == before {
		return nil
	}
	if err := s.dir.Remember(a); err != nil {
		s.cfg.Logger.Warn("earlier addresses could not be removed from the data directory; the next start looks for "+
			"images again", "error", err)
	}
	return nil
}

// answers reports whether something listens on the address.
func answers(ctx context.Context, address string) bool {
	d := net.Dialer{Timeout: time.Second}
	conn, err := d.DialContext(ctx, "tcp", address)
	if err != nil {
		return false
	}
	conn.Close()
	return true
}
