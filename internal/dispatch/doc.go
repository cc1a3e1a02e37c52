// Package dispatch is the control plane's end of the road to the machines. It
// tells agents what state wants of them and writes into state what they observed.
//
// It alone writes observed state: tasks' and containers' statuses, container
// health, whether an agent is connected, what runs on it. State only moves
// forward: a report that is late, repeated or about something that has ended is
// answered and changes nothing. What is wanted it only reads; the one exception is
// a task that ended by itself, which is no longer wanted.
//
// Sessions keep nothing that matters: after a restart, agents come back and are
// told again whatever they have not reported. A task that serves a load balancer
// is told to stop only when the stop gate is open (ecs.Task.MayStop).
//
// A Dispatcher is safe for concurrent use. Its goroutines and its sessions belong
// to [Dispatcher.Run], which waits for them; sessions are refused before and after.
package dispatch
