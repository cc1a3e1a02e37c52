// Package state stores everything that the control plane knows, in typed tables with one writer.
// Changes are durable and can be watched. It is the only mutable data that packages share.
//
// View returns an immutable Snapshot of the last durable revision. It loads one pointer, so readers
// never wait for writers. Update runs a function on the newest state, as the only writer; the
// committer then writes its changes, and Update returns when they are on disk. All updates that
// wait at that moment are written in one append (group commit), so a slow disk costs latency and
// not throughput. Neither View nor Update nor a subscription shows a change before it is on disk.
//
// Values in tables must not be changed: copy one, change the copy and put the copy. With the build
// tag statecheck the store keeps fingerprints of all values and panics when it finds one that was
// changed in place. The journal has each value as JSON, under the names of its table and of its
// exported fields; adding fields is compatible.
//
// A Subscription collects keys and not events: a change adds keys to a set, so the memory for a
// slow reader is bounded by the number of keys.
//
// The package does not know what values mean, what time it is, or who is asking. Callers make ids
// and times before the transaction.
package state
