package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/netip"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/metadata"
	"github.com/berthhq/berth/internal/awswire/sigv4"
)

// Ports of Amazon's agent. Berth's agent has them on an address of its own.
const (
	metadataPort      = 51679
	introspectionPort = 51678
)

// installer redirects containers to the metadata server, and keeps everybody else from it.
type installer interface {
	Install(ctx context.Context, bridge string, target netip.AddrPort) error
	Clear(ctx context.Context) error
}

// serveMetadata serves containers at the gateway of this agent's bridge network: an address that no other
// machine and no other agent has.
func (a *agent) serveMetadata(ctx context.Context, reg registration) error {
	defer func() {
		clean, cancel := context.WithTimeout(context.WithoutCancel(ctx), 10*time.Second)
		defer cancel()
		if err := a.rules.Clear(clean); err != nil {
			a.log.Warn("redirections to the task metadata address could not be removed", "error", err)
		}
	}()
	a.restoreRedirects(ctx)
	server := metadata.New(metadata.Config{
		Cluster: a.cfg.Cluster, ContainerInstance: reg.ContainerInstanceARN, Zone: reg.Zone, VPC: a.cfg.VPC,
		RPS: a.cfg.MetadataRPS, Burst: a.cfg.MetadataBurst, Credentials: a.credentials, Tasks: a.engine.Tasks,
		Stats: a.usage.Last, Neighbours: a.neighbours, Tags: a.tags, Protection: a.protect, Log: a.log,
	})
	const pause = 2 * time.Second
	for said := ""; ctx.Err() == nil; {
		err := a.serveMetadataOnce(ctx, server)
		if ctx.Err() != nil {
			break
		}
		if err.Error() != said { // without root the error never changes
			said = err.Error()
			a.log.Warn("containers cannot reach the task metadata address yet", "error", err)
		}
		select {
		case <-ctx.Done():
		case <-time.After(pause):
		}
	}
	return context.Cause(ctx)
}

// restoreRedirects restores the redirections for tasks with an address of their own that have been running
// since before this agent started.
func (a *agent) restoreRedirects(ctx context.Context) {
	for _, r := range a.engine.Tasks() {
		address, ok := r.Address()
		if !ok || r.Status == engine.StatusStopped {
			continue
		}
		if err := a.rules.Add(ctx, r.Task.ARN, address); err != nil {
			a.log.Warn("a task cannot reach the task metadata address", "task", r.Task.ARN, "error", err)
		}
	}
}

func (a *agent) serveMetadataOnce(ctx context.Context, handler http.Handler) error {
	network, err := a.rt.EnsureNetwork(ctx, a.engineConfig().BridgeNetwork())
	if err != nil {
		return err
	}
	where := netip.AddrPortFrom(network.Gateway, metadataPort)
	// The rules come first: without them containers cannot connect, but neighbours on a network of this
	// machine can.
	if err := a.rules.Install(ctx, network.Bridge, where); err != nil {
		return err
	}
	listener, err := a.listen("tcp4", where.String())
	if err != nil {
		return err
	}
	return serve(ctx, listener, handler)
}

// serve serves until ctx ends.
func serve(ctx context.Context, listener net.Listener, handler http.Handler) error {
	server := &http.Server{Handler: handler, ReadHeaderTimeout: 5 * time.Second}
	stop := context.AfterFunc(ctx, func() { server.Close() })
	defer stop()
	err := server.Serve(listener)
	if errors.Is(err, http.ErrServerClosed) {
		return context.Cause(ctx)
	}
	return err
}

// neighbours returns the addresses of the machine's other agents, found by their networks.
func (a *agent) neighbours(ctx context.Context) []netip.AddrPort {
	networks, err := a.rt.NetworksWith(ctx, engine.LabelInstance)
	if err != nil {
		a.log.Warn("the machine's other agents cannot be listed", "error", err)
		return nil
	}
	var out []netip.AddrPort
	for _, n := range networks {
		if n.Labels[engine.LabelInstance] != a.name && n.Gateway.IsValid() {
			out = append(out, netip.AddrPortFrom(n.Gateway, metadataPort))
		}
	}
	return out
}

func (a *agent) tags(ctx context.Context, arn string) (map[string]string, error) {
	var out struct {
		Tags []tag `json:"tags"`
	}
	err := a.control.api.Call(ctx, "ListTagsForResource", map[string]string{"resourceArn": arn}, &out)
	tags := map[string]string{}
	for _, t := range out.Tags {
		tags[t.Key] = t.Value
	}
	return tags, err
}

// protect calls the API with the credentials of the task's role.
func (a *agent) protect(ctx context.Context, c acs.RoleCredentials, action string, in, out any) error {
	api := *a.control.api
	api.Signer = awscall.Signer{Region: a.cfg.Region, Service: "ecs", Credentials: func() sigv4.Credentials {
		return sigv4.Credentials{
			AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
		}
	}}
	return api.Call(ctx, action, in, out)
}

// serveIntrospection serves /v1/metadata and /v1/tasks to people on this machine. It listens on the instance's
// loopback address, or else on 127.0.0.1, and on no other.
func (a *agent) serveIntrospection(ctx context.Context, reg registration) error {
	host := netip.AddrFrom4([4]byte{127, 0, 0, 1})
	if a.cfg.BindAddress.IsValid() && a.cfg.BindAddress.IsLoopback() {
		host = a.cfg.BindAddress
	}
	listener, err := a.listen("tcp", net.JoinHostPort(host.String(), strconv.Itoa(introspectionPort)))
	if err != nil {
		a.log.Warn("the introspection address is not served", "error", err)
		<-ctx.Done()
		return context.Cause(ctx)
	}
	mux := http.NewServeMux()
	mux.HandleFunc("GET /v1/metadata", func(w http.ResponseWriter, r *http.Request) {
		reply(w, map[string]string{
			"Cluster": a.cfg.Cluster, "ContainerInstanceArn": reg.ContainerInstanceARN,
			"Version": fmt.Sprintf("Amazon ECS Agent - v%s (*%s)", Version, Hash),
		})
	})
	mux.HandleFunc("GET /v1/tasks", func(w http.ResponseWriter, r *http.Request) { reply(w, a.introspect()) })
	return serve(ctx, listener, mux)
}

func reply(w http.ResponseWriter, v any) {
	w.Header().Set("Content-Type", "application/json")
	json.NewEncoder(w).Encode(v) // an error means that the client is gone
}

type introspectedTask struct {
	ARN           string `json:"Arn"`
	DesiredStatus string
	KnownStatus   string
	Family        string
	Version       string
	Containers    []introspectedContainer
}

type introspectedContainer struct {
	DockerID   string `json:"DockerId"`
	DockerName string
	Name       string
	Image      string
}

func (a *agent) introspect() map[string][]introspectedTask {
	tasks := []introspectedTask{}
	for _, r := range a.engine.Tasks() {
		t := introspectedTask{
			ARN: r.Task.ARN, DesiredStatus: r.Desired, KnownStatus: r.Status, Family: r.Task.Family,
			Version: r.Task.Version,
		}
		for _, b := range r.Containers {
			t.Containers = append(t.Containers, introspectedContainer{
				DockerID: b.RuntimeID, DockerName: b.Name, Name: b.Def.Name, Image: b.Def.Image,
			})
		}
		tasks = append(tasks, t)
	}
	return map[string][]introspectedTask{"Tasks": tasks}
}
