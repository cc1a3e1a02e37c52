// Package route compiles load balancers and the health of targets into immutable tables and target
// groups, and decides from them what happens to a request: which listener received it, which rule
// it meets, and to which target group and target it is sent.
//
// What a Compiler returns depends only on the current configuration and health, and not on the
// changes that led there. It never fails: what cannot be compiled is left out and named in
// Problems. What it has compiled never changes and may be used concurrently; matching takes no lock
// and allocates nothing that grows with the configuration. The caller supplies randomness, time,
// turns and loads, and keeps them outside of what is compiled, so that they survive a new table.
// The package does not know sockets, cookies or bodies.
//
// A draining target is never chosen, nor found by its key (alb.md D1). Weights split new requests
// in proportion, whatever the health of the groups (A2, A3). The default rule is last and always
// matches.
package route
