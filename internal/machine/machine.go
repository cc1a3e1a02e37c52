// Package machine is the interface between the controller, which decides that an instance should exist, and the
// drivers, which make instances: machine/local makes an agent process on this machine.
//
// Drivers are level-triggered: Start means "this instance runs from now on". Calling it for an instance that
// runs already, started by this process or an earlier one, changes nothing. Calls for different instances may
// run at the same time; control/fleet never makes two calls for one instance at once. A driver does not know
// the store and never decides that an instance should end.
package machine

import (
	"context"
	"net/netip"
	"time"

	"github.com/berthhq/berth/internal/cache"
	"github.com/berthhq/berth/internal/fleet"
)

// Driver starts and ends instances.
type Driver interface {
	Addresses

	// Start starts the instance, or takes over the running one. At the first start it runs the instance's user
	// data and keeps its output. An error means that the instance could not be made; callers of the API see
	// its text.
	Start(ctx context.Context, in *fleet.Instance) error

	// Stop ends the instance and its containers, and returns when they have ended. The disk stays. It is no
	// error if the instance does not run.
	Stop(ctx context.Context, id string) error

	// Forget removes what Stop leaves: disk, logs, console output. It is no error if there is nothing.
	Forget(ctx context.Context, id string) error
}

// Reporter reports the state of instances.
type Reporter interface {
	// Next waits for the next report. A slow reader gets only the latest report of an instance. After a start
	// of the driver there is one report for each instance that Start was called for.
	Next(ctx context.Context) (Report, error)
}

// Report is the state of an instance's machine.
type Report struct {
	ID     string
	Status fleet.MachineStatus
}

// Addresses assigns private addresses to instances.
type Addresses interface {
	// NextAddress returns an address that is not in taken, or a fault that says why there is none. An invalid
	// address means that the instance learns its own when it starts. It is called within transactions and must
	// not wait.
	NextAddress(taken fleet.AddressSet) (netip.Addr, error)
}

// Host is the machine, or machines, on which instances run.
type Host interface {
	Addresses

	// Busy returns the ranges that a region's network must not overlap, because other networks of the machine
	// use them.
	Busy(region string) []netip.Prefix

	// ConsoleOutput returns the last 64 KiB of what an instance printed while it booted, and when that was
	// last written. If there is nothing, it returns no error.
	ConsoleOutput(id string) ([]byte, time.Time, error)
}

// Site is a kind of place where instances run: this machine, other machines, or none. The server knows no more
// than this interface.
type Site interface {
	Driver
	Reporter
	Host

	// Run lasts until ctx ends, and then ends the driver's goroutines. Instances go on running. Start fails
	// afterwards.
	Run(ctx context.Context) error

	// Clean stops and forgets every instance for which keep returns false, and removes what instances share if
	// none needs it. It calls dead once none of these instances runs, or never if that is not certain;
	// removing may take longer. keep is called after the existing instances have been listed, and must not
	// call the driver.
	Clean(ctx context.Context, keep func(id string) bool, dead func()) error
}

// Caches serves cache clusters. Like a Driver it is level-triggered and does not know the store.
type Caches interface {
	// Serve makes progress towards a running cluster, or takes over a running one. It returns the cluster's
	// node, or nil while it is starting. After an error it is to be called again later. Why a cluster is not
	// served is in the node's Problem.
	Serve(ctx context.Context, cl *cache.Cluster) (seen *cache.Node, err error)

	// Remove ends a cluster and deletes its data. It returns false if that is not complete and Remove has to
	// be called again. It is no error if there is nothing.
	Remove(ctx context.Context, arn string) (gone bool, err error)

	// Stats returns what the process of a cluster says about itself, and false if there is none or it does not answer
	// within a second. It is called concurrently with the others.
	Stats(ctx context.Context, arn string) (cache.Stats, bool)

	// Served returns the ARNs of the clusters that have processes or files, from this process or an earlier
	// one.
	Served() (arns []string, err error)
}
