// Package dispatch is the control plane's end of the sessions with agents. It sends them what state
// wants of them, and writes to state what they report.
//
// It alone writes what agents have observed: the statuses of tasks and containers, the health of
// containers, whether an agent is connected, what runs on an instance. State only moves forward: a
// report that is late, repeated, or about something that has ended is acknowledged and changes
// nothing. What is wanted is only read, with one exception: a task that ended by itself is no
// longer wanted.
//
// Sessions keep nothing that must survive: after a restart, agents connect again and are sent again
// whatever they have not reported. A task that serves a load balancer is sent its stop only when
// ecs.Task.MayStop says so.
//
// A Dispatcher is safe for concurrent use. [Dispatcher.Run] owns its goroutines and sessions and
// waits for them; before and after it, sessions are refused.
package dispatch
