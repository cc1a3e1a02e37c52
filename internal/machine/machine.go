// Package machine says what it takes to turn a fleet.Instance into something that runs. It is the seam between the controller that decides
// that an instance should exist and the ways of making one: machine/local makes an agent process on this machine.
//
// A driver is level-triggered as everything is: Start means "this instance runs from now on", and calling it for an instance that runs
// already, in this process's life or an earlier one, changes nothing. Calls for different instances may run at the same time; control/fleet
// never makes two for one instance at once. A driver knows nothing of the store and never decides that an instance should end.
package machine

import (
	"context"
	"net/netip"
	"time"

	"github.com/berthhq/berth/internal/fleet"
)

// Driver makes and ends instances.
type Driver interface {
	Addresses

	// Start makes the instance run, or adopts it when it does. At its first start its user data runs and its output is kept. An error
	// means that the instance could not be made; its text is shown to callers of the API.
	Start(ctx context.Context, in *fleet.Instance) error

	// Stop ends the instance and every container it runs, and returns when they are gone; its disk stays. Stopping what does not run is no error.
	Stop(ctx context.Context, id string) error

	// Forget removes what Stop leaves: disk, logs, console output. Forgetting what is not there is no error.
	Forget(ctx context.Context, id string) error
}

// Reporter tells how the instances fare.
type Reporter interface {
	// Next waits for the next report. Reports of one instance coalesce: only the last one is kept for a reader that is slow. After a start of the
	// driver there is one report for each instance that Start was called for.
	Next(ctx context.Context) (Report, error)
}

// Report is what became of an instance's machine.
type Report struct {
	ID     string
	Status fleet.MachineStatus
}

// Addresses gives instances their private addresses.
type Addresses interface {
	// NextAddress returns an address that is not in taken, or false when there is none. An address that is not valid is that of an
	// instance which learns its own when it starts. It is called within transactions and waits for nothing.
	NextAddress(taken map[netip.Addr]bool) (netip.Addr, bool)
}

// Host is the machine, or the machines, that instances are made on.
type Host interface {
	Addresses

	// Busy returns the ranges that a region's network must not overlap, because the machine has other networks there.
	Busy(region string) []netip.Prefix

	// ConsoleOutput returns the last 64 KiB of what an instance printed while it booted, and when it was last written. Nothing is an
	// empty answer and no error.
	ConsoleOutput(id string) ([]byte, time.Time, error)
}
