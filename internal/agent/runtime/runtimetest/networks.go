package runtimetest

import (
	"context"
	"errors"
	"net/netip"
	"testing"

	"github.com/berthhq/berth/internal/agent/runtime"
)

func ports(t *testing.T, s Subject) {
	want := runtime.Port{
		HostIP: netip.MustParseAddr("127.0.1.200"), HostPort: 20877, ContainerPort: 8080, Protocol: "tcp",
	}
	publish := func(spec *runtime.Spec) { spec.Ports = []runtime.Port{want} }
	id := s.create(t, publish, "serve")
	s.start(t, id)
	if c := s.inspect(t, id); len(c.Ports) != 1 || c.Ports[0] != want {
		t.Errorf("ports %+v, want %+v", c.Ports, want)
	}
	second := s.create(t, func(spec *runtime.Spec) { publish(spec); spec.Name += "-2" }, "serve")
	if err := s.Runtime.Start(t.Context(), second); !errors.Is(err, runtime.ErrPortTaken) {
		t.Errorf("Start with a port in use: %v", err)
	}
}

func networks(t *testing.T, s Subject) {
	ctx, rt, name := t.Context(), s.Runtime, s.name("net")
	spec := runtime.NetworkSpec{
		Name: name, Subnet: netip.MustParsePrefix("10.213.77.0/24"), Gateway: netip.MustParseAddr("10.213.77.1"),
		Labels: map[string]string{label: "yes"},
	}
	t.Cleanup(func() {
		if err := rt.RemoveNetwork(context.WithoutCancel(ctx), name); err != nil {
			t.Errorf("RemoveNetwork: %v", err)
		}
	})
	first, err := rt.EnsureNetwork(ctx, spec)
	if err != nil || first.Name != name || first.Gateway != spec.Gateway || first.Subnet != spec.Subnet ||
		first.Bridge == "" {
		t.Fatalf("EnsureNetwork: %+v, %v", first, err)
	}
	if again, err := rt.EnsureNetwork(ctx, spec); err != nil || again.ID != first.ID {
		t.Errorf("EnsureNetwork again: %+v, %v", again, err)
	}
	if found, err := rt.NetworksWith(ctx, label); err != nil || len(found) != 1 || found[0].ID != first.ID {
		t.Errorf("NetworksWith: %+v, %v", found, err)
	}
	moved := spec
	moved.Subnet, moved.Gateway = netip.MustParsePrefix("10.213.78.0/24"), netip.MustParseAddr("10.213.78.1")
	for _, spec := range []runtime.NetworkSpec{moved, spec} {
		if n, err := rt.EnsureNetwork(ctx, spec); err != nil || n.Subnet != spec.Subnet || n.Gateway != spec.Gateway {
			t.Errorf("EnsureNetwork with other addresses: %+v, %v", n, err)
		}
	}
	elsewhere(t, s)
	address := netip.MustParseAddr("10.213.77.9")
	id := s.create(t, func(spec *runtime.Spec) {
		spec.Network = runtime.Attachment{Network: name, Address: address}
	}, "serve")
	s.start(t, id)
	if c := s.inspect(t, id); len(c.Addresses) != 1 || c.Addresses[0].IPv4 != address ||
		c.Addresses[0].Network != name {
		t.Errorf("addresses %+v", c.Addresses)
	}
	sharing := s.create(t, func(spec *runtime.Spec) {
		spec.Name += "-2"
		spec.Network = runtime.Attachment{Container: id}
		spec.HostConfig = `{"ExtraHosts":["a:1.2.3.4"]}`
	}, "sleep", "1m")
	s.start(t, sharing)
	if err := rt.Remove(ctx, sharing); err != nil {
		t.Errorf("Remove: %v", err)
	}
	if err := rt.Remove(ctx, id); err != nil {
		t.Errorf("Remove: %v", err)
	}
}

// elsewhere asks for a network that must avoid the addresses of one that the engine has just made.
func elsewhere(t *testing.T, s Subject) {
	t.Helper()
	var avoid netip.Prefix
	for range 2 {
		n, err := s.Runtime.EnsureNetwork(t.Context(), runtime.NetworkSpec{Name: s.name("chosen"), Avoid: avoid})
		if err != nil {
			t.Fatal(err)
		}
		if avoid.IsValid() && n.Subnet.Overlaps(avoid) {
			t.Errorf("the network has the addresses %s, but had to avoid %s", n.Subnet, avoid)
		}
		avoid = n.Subnet
		if err := s.Runtime.RemoveNetwork(t.Context(), s.name("chosen")); err != nil {
			t.Fatal(err)
		}
	}
}

func volumes(t *testing.T, s Subject) {
	ctx, rt, name := t.Context(), s.Runtime, s.name("vol")
	t.Cleanup(func() {
		if err := rt.RemoveVolume(context.WithoutCancel(ctx), name); err != nil {
			t.Errorf("RemoveVolume: %v", err)
		}
	})
	if has, err := rt.HasVolume(ctx, name); err != nil || has {
		t.Fatalf("HasVolume before: %v, %v", has, err)
	}
	for range 2 {
		if err := rt.EnsureVolume(ctx, runtime.VolumeSpec{Name: name}); err != nil {
			t.Fatalf("EnsureVolume: %v", err)
		}
	}
	if has, err := rt.HasVolume(ctx, name); err != nil || !has {
		t.Errorf("HasVolume: %v, %v", has, err)
	}
	events := s.watch(t)
	mount := func(spec *runtime.Spec) { spec.Mounts = []runtime.Mount{{Source: name, Target: "/data"}} }
	writer := s.create(t, mount, "touch", "/data/x")
	s.start(t, writer)
	if c := s.ended(t, events, writer); c.ExitCode != 0 {
		t.Errorf("writing to the volume: exit code %d", c.ExitCode)
	}
	if err := rt.Remove(ctx, writer); err != nil {
		t.Errorf("Remove: %v", err)
	}
	for range 2 {
		if err := rt.RemoveVolume(ctx, name); err != nil {
			t.Errorf("RemoveVolume: %v", err)
		}
	}
}
