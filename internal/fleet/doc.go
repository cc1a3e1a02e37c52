// Package fleet defines the objects of EC2 and EC2 Auto Scaling: instances, launch configurations and templates, groups
// and their activities, key pairs, security groups, and what each region has (zones, the default VPC, instance types,
// images). It also has the rules that use only these: PlanGroup decides what a group does next, Victims decides which
// instances a scale-in terminates, and InstanceState.Next returns which states may follow a state.
//
// Everything is a value or a pure function: no I/O, no clock, no randomness. All readers share the values from the
// store, so copy a value before you change it. The package does not depend on machine, which starts instances, on
// action/ec2 and action/autoscaling, which receive the calls, or on control/fleet, which carries them out.
package fleet
