package cli

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/authority"
	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/quote"
	"github.com/berthhq/berth/internal/repository"
	"github.com/berthhq/berth/internal/trust"
)

// caStores are the stores that berth ca installs into.
var caStores = []string{"system", "nss", "docker"}

// caFlags are the flags of berth ca.
type caFlags struct {
	place
	regions                   []string
	stores                    []string
	registry, install, remove bool
	asJSON                    bool
}

func newCA(io streams) *cobra.Command {
	var f caFlags
	c := &cobra.Command{
		Use:   "ca",
		Short: "print the root certificate of this server, and install it if asked to",
		Long: "berth ca prints the root certificate under which a server makes the certificates of names " +
			"on this machine. " +
			"Nothing trusts it before it is installed. The root permits no name that could belong to somebody else: " +
			"only names under .test, .internal, .localhost, .local, .example and home.arpa, and " +
			"loopback addresses.\n\n" +
			"With --registry it prints the root of the image registry's own name, " +
			"ACCOUNT.dkr.ecr.REGION.amazonaws.com. " +
			"That root permits this one name, and only Docker should trust it.\n\n" +
			"--install puts the roots where programs look for them: \"system\" is the system's store, " +
			"\"nss\" that of Chromium, " +
			"\"docker\" the directory /etc/docker/certs.d, for the registry alone. --uninstall takes them out again.",
		Args: cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if f.install && f.remove || f.registry && (f.install || f.remove) {
				return usagef("give one of --registry, --install, --uninstall")
			}
			if f.given("store") && !f.install && !f.remove {
				return usagef("--store needs --install or --uninstall")
			}
			for _, s := range f.stores {
				if !slices.Contains(caStores, s) {
					return usagef("there is no store %q: choose from %s", s, strings.Join(caStores, ", "))
				}
			}
			return runCA(c.Context(), io, &f)
		},
	}
	f.dataFlag(c)
	jsonFlag(c, &f.asJSON, caDone{})
	c.Flags().BoolVar(&f.registry, "registry", false, "print the root of the image registry's name")
	c.Flags().StringSliceVar(&f.regions, "region", nil, "a `region` of the image registry; unless given the server's")
	c.Flags().BoolVar(&f.install, "install", false, "make this machine trust the roots")
	c.Flags().BoolVar(&f.remove, "uninstall", false, "undo --install")
	c.Flags().StringSliceVar(&f.stores, "store", caStores, "where to install: `system,nss,docker`")
	return c
}

// roots are the root certificates that berth ca prints and installs.
type roots struct {
	Machine    trust.Root
	Registries map[string]trust.Root // by host
	hosts      []string
	address    string // where the registry is served with TLS, or ""
}

// caDone is what berth ca prints.
type caDone struct {
	Root            string            // in PEM
	Registries      map[string]string // roots by host, in PEM
	RegistryAddress string
	Installed       []string `json:",omitempty"` // files
	Removed         []string `json:",omitempty"`
	LeftOut         []string `json:",omitempty"` // why a store was left out
}

func (r *roots) done() caDone {
	d := caDone{Root: string(r.Machine.PEM), Registries: map[string]string{}, RegistryAddress: r.address}
	for host, root := range r.Registries {
		d.Registries[host] = string(root.PEM)
	}
	return d
}

func openRoots(f *caFlags) (*roots, error) {
	account, err := config.Account(f.data)
	if err != nil {
		return nil, noServer(f.data, err)
	}
	last, err := config.LastAddress(f.data)
	if err != nil {
		return nil, noServer(f.data, err)
	}
	if len(f.regions) == 0 {
		f.regions = []string{last.Region}
	}
	dir := filepath.Join(f.data, "ca")
	machine, err := authority.Open(dir, time.Now)
	if err != nil {
		return nil, err
	}
	out := &roots{Machine: rootOf(machine), Registries: map[string]trust.Root{}, address: last.RegistryTLS}
	for _, region := range f.regions {
		host := repository.Host(region, account)
		a, err := authority.OpenFor(dir, host, time.Now)
		if err != nil {
			return nil, usagef("region %q: %v", region, err)
		}
		out.Registries[host] = rootOf(a)
		out.hosts = append(out.hosts, host)
	}
	return out, nil
}

func rootOf(a *authority.Authority) trust.Root {
	sum := sha256.Sum256(a.Root().Raw)
	return trust.Root{Name: "berth-" + hex.EncodeToString(sum[:4]), PEM: a.RootPEM()}
}

func runCA(ctx context.Context, io streams, f *caFlags) error {
	r, err := openRoots(f)
	switch {
	case err != nil:
		return err
	case f.install || f.remove:
		m, err := trust.Local()
		if err != nil {
			return err
		}
		return installRoots(ctx, io, f, m, r)
	case f.asJSON:
		return printJSON(io.out, r.done())
	case f.registry:
		for _, host := range r.hosts {
			fmt.Fprint(io.out, quote.Lines(string(r.Registries[host].PEM)))
		}
		registryAdvice(io, r)
		return nil
	}
	fmt.Fprint(io.out, quote.Lines(string(r.Machine.PEM)))
	rootAdvice(io)
	return nil
}

// installRoots puts the roots into the chosen stores or removes them, and prints what it did. A store that the
// machine does not have is an error only if the user chose it.
func installRoots(ctx context.Context, io streams, f *caFlags, m *trust.Machine, r *roots) error {
	done := r.done()
	var errs []error
	tell := func(list *[]string, what, about string) {
		*list = append(*list, about)
		if !f.asJSON {
			quote.Fprintf(io.out, "%s: %s\n", what, about)
		}
	}
	report := func(file string, err error) {
		switch {
		case errors.Is(err, trust.ErrNone) && !f.given("store"):
			tell(&done.LeftOut, "left out", err.Error())
		case errors.Is(err, trust.ErrNotInstalled):
			tell(&done.LeftOut, "nothing to remove", err.Error())
		case err != nil:
			errs = append(errs, err)
		case f.install:
			tell(&done.Installed, "installed", file)
		default:
			tell(&done.Removed, "removed", file)
		}
	}
	if slices.Contains(f.stores, "system") {
		report(m.System(ctx, r.Machine, f.install))
	}
	if slices.Contains(f.stores, "nss") {
		report(m.NSS(ctx, r.Machine, f.install))
	}
	if slices.Contains(f.stores, "docker") {
		for _, host := range r.hosts {
			report(m.Docker(host, r.Registries[host], f.install))
		}
		if f.install {
			registryAdvice(io, r)
		}
	}
	if f.asJSON {
		errs = append(errs, printJSON(io.out, done))
	}
	return errors.Join(errs...)
}

// registryAdvice prints what the user has to do so that docker push reaches the registry by its name. Berth
// does not do that itself.
func registryAdvice(io streams, r *roots) {
	address, start := r.address, ""
	if address == "" {
		address, start = "127.0.0.2:443", "Start the server with --registry-tls 127.0.0.2:443. "
	}
	ip, port, err := net.SplitHostPort(address)
	if err != nil {
		ip, port = "127.0.0.2", "443"
	}
	fmt.Fprintln(io.err, wrap(start+"For docker push to reach it by name, this line belongs in /etc/hosts:", width))
	for _, host := range r.hosts {
		quote.Fprintf(io.err, "%s %s\n", ip, host)
	}
	if port != "443" {
		fmt.Fprintln(io.err, wrap("The registry is served at port "+quote.Lines(port)+
			", but Docker goes to port 443 for a name without port.", width))
	}
}

func rootAdvice(io streams) {
	fmt.Fprint(io.err, `
berth ca --install puts it where the system and Chromium look, and
berth ca --uninstall takes it out. By hand, with it in berth.pem:
  curl             --cacert berth.pem
  AWS CLI          AWS_CA_BUNDLE=berth.pem
  Node.js          NODE_EXTRA_CA_CERTS=berth.pem
  Python requests  REQUESTS_CA_BUNDLE=berth.pem
  Go, OpenSSL      SSL_CERT_FILE=berth.pem
  Debian, Ubuntu   cp berth.pem /usr/local/share/ca-certificates/berth.crt
                   update-ca-certificates
                   back: rm that file; update-ca-certificates --fresh
  Fedora           trust anchor berth.pem; back: trust anchor --remove berth.pem
  macOS            security add-trusted-cert -d -r trustRoot \
                     -k /Library/Keychains/System.keychain berth.pem
                   back: security remove-trusted-cert -d berth.pem
  Firefox          policy Certificates.Install: ["/path/to/berth.pem"]
  Java             keytool -importcert -cacerts -alias berth -file berth.pem
                   back: keytool -delete -cacerts -alias berth
`)
}
