// Package cql implements the cluster query language, in which memberOf placement constraints and
// the filter of ListContainerInstances are written: its grammar, the checks when an expression is
// accepted, and the matching of container instances. The rules are in ecs.md 2.6; where AWS
// publishes none, a comment at the code says what was chosen.
//
// An [Expr] is immutable and safe for concurrent use. Matching takes time linear in the sizes of
// the expression and of the value, because Go's regexp does not backtrack.
//
// The package does not know clusters, tasks or placement; [Subject] is all it sees of an
// instance.
package cql
