// Package engine makes the tasks an agent was given true, one step at a time,
// and says how far each has come.
//
// A task is a [Record], kept in the agent's checkpoint: what was asked for and
// what was reached. plan looks at a record and the time and names the next steps;
// it is pure. An Engine carries the steps out on a runtime, writes each result
// into the record (on disk before anybody is told) and plans again. Nothing is
// remembered elsewhere, so a restarted agent goes on where the record says, after
// asking the runtime what became of each container.
//
// Every task has two goroutines, one that steps and one that reports, owned by
// [Engine.Run], which waits for them. An Engine is safe for concurrent use.
//
// It refuses to know how assignments arrive or where reports go, and what a
// container's output and measurements are for.
package engine
