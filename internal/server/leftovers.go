package server

import (
	"context"
	"errors"
	"os"
	"regexp"

	"github.com/berthhq/berth/internal/agent"
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
	for _, zone := range zones {
		if used[zone] {
			continue
		}
		name := agent.NetworkPrefix + "-" + zone
		tell(name, rt.RemoveNetwork(ctx, name))
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

// ecrName is the name that task definitions have for an image, and by which an agent keeps it.
var ecrName = regexp.MustCompile(`^[0-9]{12}\.dkr\.ecr\.[a-z0-9-]+\.amazonaws\.com(\.cn)?/`)

// pulledFrom picks the names that agents have given to images from the registry at address. Names that people push by are theirs.
func pulledFrom(address string, images [][]string) (names []string) {
	pull := regexp.MustCompile("^" + regexp.QuoteMeta(address) + "/[0-9]{12}/[a-z0-9-]+/")
	for _, image := range images {
		var ofAgents []string
		pulled := false
		for _, name := range image {
			if pull.MatchString(name) || ecrName.MatchString(name) {
				ofAgents = append(ofAgents, name)
				pulled = pulled || pull.MatchString(name)
			}
		}
		if pulled {
			names = append(names, ofAgents...)
		}
	}
	return names
}
