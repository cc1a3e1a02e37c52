package agent

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/awscall"
	"github.com/berthhq/berth/internal/agent/checkpoint"
	"github.com/berthhq/berth/internal/fault"
)

// ErrTerminal means that the control plane does not accept this machine and a restart does not help. berth
// agent then exits with status 5, as Amazon's agent does (ecs-agent.md 3.1).
var ErrTerminal = errors.New("the control plane does not accept this container instance")

// ErrOtherCluster means that the data directory belongs to an agent of another cluster.
var ErrOtherCluster = errors.New("the data directory belongs to another cluster")

// registration is the agent's identity, kept in its checkpoint.
type registration struct {
	Cluster              string
	InstanceID           string
	ContainerInstanceARN string
	Zone                 string
}

const registrationKey = "registration"

type registerInput struct {
	Cluster                   string            `json:"cluster"`
	ContainerInstanceARN      string            `json:"containerInstanceArn,omitempty"`
	ClientToken               string            `json:"clientToken"`
	Attributes                []attribute       `json:"attributes"`
	TotalResources            []resource        `json:"totalResources"`
	Tags                      []tag             `json:"tags,omitempty"`
	InstanceIdentityDocument  string            `json:"instanceIdentityDocument"`
	InstanceIdentitySignature string            `json:"instanceIdentityDocumentSignature"`
	VersionInfo               map[string]string `json:"versionInfo,omitempty"`
}

type resource struct {
	Name           string   `json:"name"`
	Type           string   `json:"type"`
	IntegerValue   *int64   `json:"integerValue,omitempty"`
	StringSetValue []string `json:"stringSetValue,omitempty"`
}

type tag struct {
	Key   string `json:"key"`
	Value string `json:"value"`
}

type registerOutput struct {
	ContainerInstance struct {
		ContainerInstanceARN string      `json:"containerInstanceArn"`
		Attributes           []attribute `json:"attributes"`
	} `json:"containerInstance"`
}

// register registers the machine as a container instance, and repeats that until it succeeds.
func register(
	ctx context.Context, c *Config, store *checkpoint.Store, api *awscall.Client, log *slog.Logger,
) (registration, error) {
	var reg registration
	if _, err := store.Get(checkpoint.Agent, registrationKey, &reg); err != nil {
		return reg, err
	}
	if reg.ContainerInstanceARN != "" && reg.Cluster != c.Cluster {
		return reg, fmt.Errorf("%w: it is %s's, ECS_CLUSTER says %s", ErrOtherCluster, reg.Cluster, c.Cluster)
	}
	if reg.InstanceID != c.InstanceID {
		reg = registration{} // the disk is from another machine: start afresh (ecs-agent.md 10)
	}
	in, err := c.registerInput(ctx, reg)
	if err != nil {
		return reg, err
	}
	wait := noLonger(acs.Backoff{First: time.Second, Most: 30 * time.Second, Factor: 2, Jitter: 0.2})
	for failures := 0; ; failures++ {
		var out registerOutput
		err := api.Call(ctx, "RegisterContainerInstance", in, &out)
		switch {
		case err == nil:
			return c.registered(store, out)
		case awscall.Code(err) == "ClusterNotFoundException" && c.Cluster == "default":
			err = api.Call(ctx, "CreateCluster", map[string]string{"clusterName": "default"}, nil)
		case awscall.Code(err) == "ClientException", awscall.Code(err) == "InvalidParameterException":
			return reg, fmt.Errorf("%w: %w", ErrTerminal, err)
		}
		if err != nil {
			log.Warn("cannot register yet", "cluster", c.Cluster, "error", err)
		}
		select {
		case <-ctx.Done():
			return reg, context.Cause(ctx)
		case <-time.After(wait.Wait(failures, rand.Float64())):
		}
	}
}

func (c *Config) registerInput(ctx context.Context, reg registration) (registerInput, error) {
	document, err := readDocument(ctx, c.IdentityDocument)
	if err != nil {
		return registerInput{}, fmt.Errorf("identity document: %w", err)
	}
	memory := c.Memory - c.ReservedMemory
	if memory <= 0 {
		return registerInput{}, fmt.Errorf("ECS_RESERVED_MEMORY leaves nothing of %d MiB", c.Memory)
	}
	in := registerInput{
		Cluster: c.Cluster, ContainerInstanceARN: reg.ContainerInstanceARN, ClientToken: newID(),
		Attributes: c.attributes(reg.ContainerInstanceARN == ""),
		TotalResources: []resource{
			{Name: "CPU", Type: "INTEGER", IntegerValue: &c.CPU},
			{Name: "MEMORY", Type: "INTEGER", IntegerValue: &memory},
			{Name: "PORTS", Type: "STRINGSET", StringSetValue: numbers(c.ReservedPorts)},
			{Name: "PORTS_UDP", Type: "STRINGSET", StringSetValue: numbers(c.ReservedPortsUDP)},
		},
		InstanceIdentityDocument: document,
		VersionInfo:              map[string]string{"agentVersion": Version, "agentHash": Hash},
	}
	for _, k := range slices.Sorted(maps.Keys(c.Tags)) {
		in.Tags = append(in.Tags, tag{k, c.Tags[k]})
	}
	return in, nil
}

func numbers(ports []int) []string {
	out := []string{}
	for _, p := range ports {
		out = append(out, strconv.Itoa(p))
	}
	return out
}

func (c *Config) registered(store *checkpoint.Store, out registerOutput) (registration, error) {
	reg := registration{Cluster: c.Cluster, InstanceID: c.InstanceID,
		ContainerInstanceARN: out.ContainerInstance.ContainerInstanceARN, Zone: c.Zone}
	if reg.ContainerInstanceARN == "" {
		return reg, fault.New("ServerException", "the answer to RegisterContainerInstance has no containerInstanceArn")
	}
	for _, a := range out.ContainerInstance.Attributes {
		if a.Name == "ecs.availability-zone" {
			reg.Zone = a.Value
		}
	}
	return reg, store.Put(checkpoint.Agent, registrationKey, reg)
}

// readDocument reads a file or a URL; "" is an empty document.
func readDocument(ctx context.Context, where string) (string, error) {
	switch {
	case where == "":
		return "", nil
	case !strings.HasPrefix(where, "http://") && !strings.HasPrefix(where, "https://"):
		data, err := os.ReadFile(where)
		return string(data), err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodGet, where, nil)
	if err != nil {
		return "", err
	}
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		return "", err
	}
	defer resp.Body.Close()
	data, err := io.ReadAll(io.LimitReader(resp.Body, 64<<10))
	if err == nil && resp.StatusCode != http.StatusOK {
		err = errors.New(resp.Status)
	}
	return string(data), err
}
