// Package route turns load-balancer values and health into an immutable compiled table, and answers from it what happens to a
// request: which listener it came to, which rule it meets, which target group and target it goes to.
//
// Compile is a pure function of a Config and never fails: what cannot be compiled is left out and named in Problems. A Table is
// never changed after Compile and may be used by any number of goroutines; matching takes no lock and allocates nothing that
// grows with the configuration. Randomness, time, turns and loads come in from the caller, who keeps them outside of the table so
// that they survive its replacement. The package knows nothing of sockets, cookies or bodies.
//
// What a Table promises: a target that is draining is never chosen, nor found by its key (alb.md D1); weights split new requests
// in proportion, whatever the health of the groups (A2, A3); the default rule is last and always there to match.
package route
