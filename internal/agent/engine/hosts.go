package engine

import (
	"context"
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// SetHosts gives all names that containers are to resolve. Those that run get them too.
func (e *Engine) SetHosts(hosts []acs.HostEntry) {
	e.mu.Lock()
	e.hosts, e.hostsKnown = hosts, true
	e.mu.Unlock()
	kick(e.hostsChanged)
}

// currentHosts are the lines for a task's containers: as the control plane said last, or else as it said with the task.
func (e *Engine) currentHosts(r *Record) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.hostsKnown {
		return r.Task.Hosts
	}
	return acs.HostLines(e.hosts, r.Task.NetworkMode)
}

// ownHosts are the lines of a container's /etc/hosts that its task definition has: the document's but for those that the control plane
// has added.
func ownHosts(r *Record, document string) []string {
	return slices.DeleteFunc(readHostConfig(document).ExtraHosts, func(line string) bool { return slices.Contains(r.Task.Hosts, line) })
}

// addHosts adds the control plane's lines to own ones. A name that the task definition gives an address itself keeps that alone.
func addHosts(own, lines []string) []string {
	out := slices.Clone(own)
	for _, line := range lines {
		name, _, _ := strings.Cut(line, ":")
		if !slices.ContainsFunc(own, func(o string) bool { return strings.HasPrefix(o, name+":") }) {
			out = append(out, line)
		}
	}
	return out
}

// holdsHosts reports whether container i has an /etc/hosts of its own: in awsvpc mode all share that of the pause container.
func holdsHosts(r *Record, i int) bool {
	if r.Task.NetworkMode == networkAwsvpc {
		return r.Containers[i].Pause
	}
	return !r.Containers[i].Pause && r.Task.NetworkMode != networkNone
}

// withHosts writes all lines of a container's /etc/hosts into its document.
func withHosts(document string, lines []string) (string, error) {
	fields := map[string]json.RawMessage{}
	if document != "" {
		if err := json.Unmarshal([]byte(document), &fields); err != nil {
			return document, nil // the runtime says what is wrong with it
		}
	}
	encoded, err := json.Marshal(lines)
	if err != nil {
		return "", err
	}
	if fields["ExtraHosts"] = encoded; len(lines) == 0 {
		delete(fields, "ExtraHosts")
	}
	out, err := json.Marshal(fields)
	return string(out), err
}

// refreshHosts makes the /etc/hosts of container i what it should be now. made are the lines that it was created with.
func (e *Engine) refreshHosts(ctx context.Context, r *Record, i int) error {
	b := &r.Containers[i]
	if !holdsHosts(r, i) || b.RuntimeID == "" {
		return nil
	}
	var own []string
	for n := range r.Containers {
		if n == i || b.Pause {
			own = append(own, ownHosts(r, r.Containers[n].Def.DockerConfig.HostConfig)...)
		}
	}
	want := addHosts(own, e.currentHosts(r))[len(own):]
	if err := e.rt.SetHosts(ctx, b.RuntimeID, b.Hosts, want); err != nil && !errors.Is(err, runtime.ErrNotFound) {
		return err
	}
	return nil
}

// hostsAgain is how long to wait until names that could not be written are written again.
const hostsAgain = 2 * time.Second

// followHosts brings new names to containers that run, until ctx ends.
func (e *Engine) followHosts(ctx context.Context) {
	said := ""
	var again <-chan time.Time
	for {
		select {
		case <-ctx.Done():
			return
		case <-e.hostsChanged:
		case <-again:
		}
		again = nil
		var errs []error
		for _, r := range e.Tasks() {
			for i := range r.Containers {
				if r.Containers[i].Phase == Running {
					errs = append(errs, e.refreshHosts(ctx, &r, i))
				}
			}
		}
		err := errors.Join(errs...)
		if err == nil || ctx.Err() != nil {
			said = ""
			continue
		}
		if err.Error() != said {
			said = err.Error()
			e.log.Warn("containers that run do not resolve new names yet", "error", err)
		}
		again = time.After(hostsAgain)
	}
}
