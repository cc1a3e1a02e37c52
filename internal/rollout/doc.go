// Package rollout decides the next step of a service: how many tasks of which deployment to start, which tasks to stop,
// how deployments change, what the service events say and when to look again. [Next] is a pure function of a [View] and
// the time; called again and again with what came of its plans, it brings a service to its desired tasks of its primary
// deployment and keeps it there.
//
// It promises, for plans carried out: never more live tasks than maximumPercent allows, never fewer healthy tasks than
// minimumHealthyPercent asks because of its own stops, no stop of a protected task for scaling in or deploying. Rules
// follow section 3 and statements 1.3.12, 1.7 and 2.7 of the behaviour reference.
//
// Next holds no state, reads no clock and does not depend on the order of anything in the view. Arguments are never
// changed and may be shared by goroutines. The package does not know where replica tasks are placed, how load balancers
// or containers are checked, or how tasks are stopped: it is told verdicts and answers with wishes.
package rollout
