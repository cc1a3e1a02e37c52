// Package state holds what is true: typed tables, one writer, durable and
// watchable. It is the only shared mutable thing in the house.
//
// View returns an immutable Snapshot of the last durable revision; it is one
// pointer load, and readers never wait for writers. Update runs a function on
// the newest state under the single writer's lock, hands the changes to the
// committer and returns only when they are on disk. Everything that waits at
// that moment goes to the journal in one append (group commit), so a slow disk
// costs latency and not throughput. Nobody is told anything, neither by View
// nor by Update nor by a subscription, before the disk has it.
//
// Values in tables are immutable by contract: whoever wants to change one
// copies it, changes the copy and puts the copy. Built with the tag statecheck
// the store fingerprints every value and panics at the first one that was
// changed in place. Every value is kept as JSON in the journal, under the
// names of the table and of its exported fields; adding fields is compatible.
//
// A Subscription collects keys and not events: changes mark keys dirty, in a
// set, so a slow reader costs memory bounded by the number of things.
//
// State refuses to know what its values mean, what time it is, and who is
// asking. Ids and times are minted by callers before the transaction.
package state
