// Package rollout decides the next step of a service: how many tasks of which deployment to start,
// which tasks to stop, how its deployments change, what the service events say, and when to look
// again. [Next] is a pure function of a [View] and the time. Called again and again, each time with
// the result of its last plan, it brings a service to the desired number of tasks of its primary
// deployment and keeps it there.
//
// If its plans are carried out, there are never more live tasks than maximumPercent allows; its own
// stops never leave fewer healthy tasks than minimumHealthyPercent asks for; and no protected task
// is stopped for scaling in or for a deployment. The rules are section 3 and statements 1.3.12, 1.7
// and 2.7 of ecs.md.
//
// Next has no state, reads no clock and does not depend on the order of anything in the view. It never
// changes its arguments, which goroutines may share. The package does not know where replica tasks are
// placed, how load balancers or containers are checked, or how tasks are stopped: it gets the health of tasks
// and returns what to do.
package rollout
