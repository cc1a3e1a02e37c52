// Package cql is the cluster query language: the expressions that memberOf placement constraints and the filter of
// ListContainerInstances are written in. It owns the grammar, the checks made when an expression is accepted and the
// rules by which a container instance matches. Rules follow section 2.6 of the behaviour reference; where AWS publishes
// no rule, the choice is told at the code.
//
// An [Expr] is immutable and safe for use by many goroutines. Matching takes time linear in the size of the expression
// and the value: patterns are run by Go's regexp, which does not backtrack.
//
// The package knows nothing of clusters, tasks or placement; [Subject] is all it sees of an instance.
package cql
