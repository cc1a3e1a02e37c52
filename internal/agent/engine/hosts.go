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

// SetHosts sets the names that containers should resolve. Running containers get them, too.
func (e *Engine) SetHosts(hosts []acs.HostEntry) {
	e.mu.Lock()
	e.hosts, e.hostsKnown = hosts, true
	e.mu.Unlock()
	kick(e.hostsChanged)
}

// currentHosts returns the lines for a task's containers: the latest from the control plane, or those that were
// sent with the task.
func (e *Engine) currentHosts(r *Record) []string {
	e.mu.Lock()
	defer e.mu.Unlock()
	if !e.hostsKnown {
		return r.Task.Hosts
	}
	return acs.HostLines(e.hosts, r.Task.NetworkMode)
}

// ownHosts returns the lines of a container's /etc/hosts from its task definition: those in the document,
// without those that the control plane has added.
func ownHosts(r *Record, document string) []string {
	return slices.DeleteFunc(readHostConfig(document).ExtraHosts,
		func(line string) bool { return slices.Contains(r.Task.Hosts, line) })
}

// addHosts adds the control plane's lines. If the task definition gives a name an address, only that is kept.
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

// holdsHosts reports whether container i has an /etc/hosts of its own. In awsvpc mode all containers share that
// of the pause container.
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
			return document, nil // the runtime reports what is wrong with it
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

// refreshHosts updates the /etc/hosts of container i. made are the lines with which it was created.
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

// hostsAgain is the pause after names could not be written.
const hostsAgain = 2 * time.Second

// followHosts writes new names into running containers until ctx ends.
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
			e.log.Warn("running containers do not resolve new names yet", "error", err)
		}
		again = time.After(hostsAgain)
	}
}
