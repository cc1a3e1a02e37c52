package dockerhost

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// RemoveShared implements local.Containers. Agents share the networks of zones and the images that they pulled
// from this server. It leaves what is in use by remaining instances or by containers of others.
func (h *Host) RemoveShared(ctx context.Context, used map[string]bool) error {
	rt, err := connect()
	if err != nil {
		return err
	}
	defer rt.Close()
	var stay []error
	warn := func(command, what string, err error) {
		if err != nil && !errors.Is(err, runtime.ErrNotFound) {
			stay = append(stay, fmt.Errorf("%s stays in Docker: %w; remove it with: %s %s", what, err, command, what))
		}
	}
	for _, n := range networks(ctx) {
		if n.Labels[engine.LabelNetwork] == engine.NetworkOfZone && h.made(n) && unused(n.Name, used) {
			warn("docker network rm", n.Name, rt.RemoveNetwork(ctx, n.Name))
		}
	}
	if len(used) > 0 {
		return errors.Join(stay...)
	}
	images, err := rt.ImageNames(ctx)
	if err != nil && !errors.Is(err, runtime.ErrUnavailable) { // without Docker there is nothing to remove
		stay = append(stay, err)
	}
	for _, name := range pulledFrom(h.Registry, images) {
		warn("docker image rm", name, rt.RemoveImage(ctx, name))
	}
	// All servers of the machine share the image of the pause container. They create it again when it is
	// missing.
	if used, err := rt.ImageUsed(ctx, engine.PauseImage); err == nil && !used {
		warn("docker image rm", engine.PauseImage, rt.RemoveImage(ctx, engine.PauseImage))
	}
	return errors.Join(stay...)
}

// made reports whether an agent of this server created a network.
func (h *Host) made(n runtime.Network) bool {
	server, labelled := n.Labels[engine.LabelServer]
	if !labelled { // of a version without this label; its networks have the names of block 0
		return h.Block == 0 && strings.HasPrefix(n.Name, h.NetworkPrefix+"-")
	}
	return server == h.Server
}

// unused reports whether a network belongs to none of the zones that have instances.
func unused(network string, zones map[string]bool) bool {
	for zone := range zones {
		if strings.HasSuffix(network, "-"+zone) {
			return false
		}
	}
	return true
}

// ForgetImages removes the names that agents gave to images pulled from an address. It also removes the images,
// unless they have other names or containers.
func (h *Host) ForgetImages(ctx context.Context, address string) error {
	rt, err := connect()
	if err != nil {
		return err
	}
	defer rt.Close()
	images, err := rt.ImageNames(ctx)
	if err != nil {
		return err
	}
	var errs []error
	for _, name := range pulledFrom(address, images) {
		if err := rt.RemoveImageName(ctx, name); !errors.Is(err, runtime.ErrNotFound) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// pulledFrom returns the names that agents gave to images of the registry at address. It leaves names that
// people use to push, and names of other servers' registries.
func pulledFrom(address string, images [][]string) (names []string) {
	pull := regexp.MustCompile("^" + regexp.QuoteMeta(address) + "/[0-9]{12}/[a-z0-9-]+/")
	for _, image := range images {
		for _, name := range image {
			if pull.MatchString(name) {
				names = append(names, name)
			}
		}
	}
	return names
}
