package docker

import (
	"context"
	"errors"
	"strconv"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Start runs a container.
func (e *Engine) Start(ctx context.Context, id string) error {
	_, err := e.api.ContainerStart(ctx, id, client.ContainerStartOptions{})
	return wrap(err)
}

// Stop ends a container.
func (e *Engine) Stop(ctx context.Context, id string, grace time.Duration) error {
	seconds := int(grace.Round(time.Second) / time.Second)
	_, err := e.api.ContainerStop(ctx, id, client.ContainerStopOptions{Timeout: &seconds})
	return wrap(err)
}

// Remove forgets a container. The engine refuses a removal during another one of the same container. Remove then tries
// again until the container is gone, or ctx has ended, as the engine does not tell others when a removal fails.
func (e *Engine) Remove(ctx context.Context, id string) error {
	for {
		_, err := e.api.ContainerRemove(ctx, id, client.ContainerRemoveOptions{Force: true, RemoveVolumes: true})
		if err = wrap(err); errors.Is(err, runtime.ErrNotFound) {
			return nil
		}
		if !isBeingRemoved(err) {
			return err
		}
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
}

// isBeingRemoved checks the engine's text; it has the same code for every conflict.
func isBeingRemoved(err error) bool {
	return errors.Is(err, runtime.ErrConflict) && strings.Contains(err.Error(), "is already in progress")
}

// Inspect describes a container.
func (e *Engine) Inspect(ctx context.Context, id string) (runtime.Container, error) {
	r, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return runtime.Container{}, wrap(err)
	}
	return describe(r.Container), nil
}

// List describes the containers with a label.
func (e *Engine) List(ctx context.Context, label, value string) ([]runtime.Container, error) {
	r, err := e.api.ContainerList(ctx, client.ContainerListOptions{
		All: true, Filters: client.Filters{}.Add("label", label+"="+value),
	})
	if err != nil {
		return nil, wrap(err)
	}
	var out []runtime.Container
	for _, summary := range r.Items {
		c, err := e.Inspect(ctx, summary.ID)
		if errors.Is(err, runtime.ErrNotFound) {
			continue // removed since it was listed
		}
		if err != nil {
			return nil, err
		}
		out = append(out, c)
	}
	return out, nil
}

func describe(r container.InspectResponse) runtime.Container {
	c := runtime.Container{
		ID:        r.ID,
		Name:      strings.TrimPrefix(r.Name, "/"),
		ImageID:   r.Image,
		CreatedAt: parseTime(r.Created),
	}
	if r.Config != nil {
		c.Image, c.Labels, c.TTY = r.Config.Image, r.Config.Labels, r.Config.Tty
	}
	if r.HostConfig != nil {
		c.LogDriver = r.HostConfig.LogConfig.Type
	}
	if r.State != nil {
		describeState(r.State, &c)
	}
	if r.NetworkSettings != nil {
		describeNetwork(r.NetworkSettings, &c)
	}
	return c
}

func describeState(s *container.State, c *runtime.Container) {
	c.ExitCode, c.OOMKilled, c.StartError = s.ExitCode, s.OOMKilled, s.Error
	c.StartedAt, c.FinishedAt = parseTime(s.StartedAt), parseTime(s.FinishedAt)
	switch {
	case s.Running || s.Restarting || s.Paused:
		c.State = runtime.Running
	case c.StartedAt.IsZero():
		c.State = runtime.Created
	default:
		c.State = runtime.Exited
	}
	if s.Health != nil && s.Health.Status != container.NoHealthcheck {
		c.Health = string(s.Health.Status)
	}
}

func describeNetwork(n *container.NetworkSettings, c *runtime.Container) {
	for port, bindings := range n.Ports {
		for _, b := range bindings {
			if b.HostIP.Is6() {
				continue // the same port on [::], which Docker adds
			}
			hostPort, _ := strconv.Atoi(b.HostPort)
			c.Ports = append(c.Ports, runtime.Port{
				HostIP: b.HostIP, HostPort: hostPort, ContainerPort: int(port.Num()), Protocol: string(port.Proto()),
			})
		}
	}
	for name, endpoint := range n.Networks {
		if endpoint == nil {
			continue
		}
		c.Addresses = append(c.Addresses, runtime.Address{
			Network: name, IPv4: endpoint.IPAddress, Gateway: endpoint.Gateway,
			MAC: endpoint.MacAddress.String(), Prefix: endpoint.IPPrefixLen,
		})
	}
	sortPorts(c.Ports)
	sortAddresses(c.Addresses)
}

// parseTime parses the engine's time, whose zero is in the year 1.
func parseTime(text string) time.Time {
	t, err := time.Parse(time.RFC3339Nano, text)
	if err != nil || t.Year() <= 1 {
		return time.Time{}
	}
	return t
}
