package sim

import (
	"context"
	"errors"
	"net/netip"

	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/machine"
)

// machines is a machine.Driver that starts nothing. An instance runs at once; its agent registers later (see agents).
type machines struct {
	running map[string]bool // by id
	reports []machine.Report
	next    uint32 // of addresses
	fail    int    // how many launches are to fail
}

// NextAddress implements machine.Addresses. There are 16 million addresses, so that large simulations have enough.
func (m *machines) NextAddress(taken fleet.AddressSet) (netip.Addr, error) {
	for range 1 << 24 {
		m.next = (m.next + 1) % (1 << 24)
		a := netip.AddrFrom4([4]byte{10, byte(m.next >> 16), byte(m.next >> 8), byte(m.next)})
		if !taken.Contains(a) {
			return a, nil
		}
	}
	return netip.Addr{}, errors.New("too many instances are simulated")
}

// errLaunch is the reason of launches that fail because of a Fault.
var errLaunch = errors.New("there is no capacity in the simulated zone")

// Start implements machine.Driver.
func (m *machines) Start(_ context.Context, in *fleet.Instance) error {
	if m.running[in.ID] {
		return nil
	}
	if m.fail > 0 {
		m.fail--
		return errLaunch
	}
	m.running[in.ID] = true
	m.report(in.ID, fleet.MachineStatus{Phase: fleet.PhaseUp})
	return nil
}

func (m *machines) report(id string, s fleet.MachineStatus) {
	m.reports = append(m.reports, machine.Report{ID: id, Status: s})
}

// Stop implements machine.Driver.
func (m *machines) Stop(_ context.Context, id string) error {
	delete(m.running, id)
	return nil
}

// Forget implements machine.Driver.
func (m *machines) Forget(context.Context, string) error { return nil }

// take returns the reports since its last call.
func (m *machines) take() []machine.Report {
	r := m.reports
	m.reports = nil
	return r
}
