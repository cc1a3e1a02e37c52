// Package engine runs the tasks that were assigned to an agent, one step at a time, and reports their progress.
//
// A task is a [Record] in the agent's checkpoint: what was assigned, and what has been done. plan reads a
// record and the time and returns the next steps; it is pure. An Engine executes the steps on a runtime, writes
// each result into the record, on disk before it is reported, and plans again. There is no other memory, so a
// restarted agent continues where the record ends, after asking the runtime about each container.
//
// Every task has two goroutines, one that executes and one that reports. [Engine.Run] owns them and waits for
// them. An Engine is safe for concurrent use.
//
// The package does not know how assignments arrive, where reports go, or what a container's output and
// measurements mean.
package engine
