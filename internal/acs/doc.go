// Package acs is the language the control plane and a container instance's
// agent speak: the messages of the agent communication service (ACS, which
// carries assignments to the machine) and of the telemetry communication
// service (TCS, which carries measurements back), their framing, and the rules
// of a session that both ends must agree on (how often to be heard, how long
// silence may last, how to come back).
//
// It owns no connection, no goroutine and no clock. Everything in it is a value
// or a function of its arguments and safe for concurrent use. Decoding is
// tolerant as the two real ends are: unknown members are skipped, an unknown
// message is handed over as [Unknown], and no input makes it panic.
//
// It refuses to know what a task is for: translating task definitions is
// dispatch's work, running containers the agent's.
package acs
