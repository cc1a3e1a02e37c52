// Package acs is the protocol between the control plane and the agent of a container instance: the messages of
// the agent communication service (ACS), which carries assignments to the agent, and of the telemetry
// communication service (TCS), which carries measurements back; their framing; and the rules of a session that
// both ends must follow (how often to send, how long the other end may be silent, when to connect again).
//
// The package has no connections, goroutines or clock. Everything in it is a value, or a function of its
// arguments, and is safe for concurrent use. Decoding is as tolerant as in Amazon's implementations: unknown
// members are skipped, an unknown message becomes an [Unknown], and no input causes a panic.
//
// The package does not interpret tasks: dispatch translates task definitions, and the agent runs containers.
package acs
