package server

import (
	"context"
	"errors"
	"os"
	"regexp"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
	"github.com/berthhq/berth/internal/agent/runtime/docker"
)

// removeLeftovers removes what agents share on a machine and therefore leave in Docker when they go: the networks of zones, and the images
// they pulled from this server. What instances that stay use, or containers of others, stays too.
func (s *Server) removeLeftovers(ctx context.Context, zones []string) {
	rt, err := docker.New(os.Getenv("DOCKER_HOST"))
	if err != nil {
		return
	}
	tell := func(what string, err error) {
		if err != nil && !errors.Is(err, runtime.ErrNotFound) {
			s.cfg.Logger.Info("something stays in Docker", "what", what, "err", err)
		}
	}
	used := map[string]bool{}
	for i := range s.store.View().Instances.All() {
		used[i.Zone] = true
	}
	for _, n := range networks() {
		if n.Labels[engine.LabelNetwork] == engine.NetworkOfZone && s.made(n) && gone(n.Name, zones, used) {
			tell(n.Name, rt.RemoveNetwork(ctx, n.Name))
		}
	}
	if len(used) > 0 {
		return
	}
	images, err := rt.ImageNames(ctx)
	tell("images", err)
	for _, name := range pulledFrom(s.Addr(), images) {
		tell(name, rt.RemoveImage(ctx, name))
	}
}

// made reports whether an agent of this server has made a network.
func (s *Server) made(n runtime.Network) bool {
	server, labelled := n.Labels[engine.LabelServer]
	if !labelled { // by a version that did not say so; it had the names of block 0
		return s.claim.Number == 0 && strings.HasPrefix(n.Name, s.claim.NetworkPrefix()+"-")
	}
	return server == s.claim.Server
}

// gone reports whether a network is of one of the zones, and no instance of the zone is left.
func gone(network string, zones []string, used map[string]bool) bool {
	return slices.ContainsFunc(zones, func(zone string) bool { return !used[zone] && strings.HasSuffix(network, "-"+zone) })
}

// pulledFrom picks the names that agents have given to images from the registry at address. Names that people push by are theirs, and
// names that lead to another server's registry are that one's.
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
