// Package fleet holds the nouns of EC2 and EC2 Auto Scaling: instances, launch configurations and templates, groups and
// their activities, key pairs, security groups, and the facts of a region (zones, the default VPC, instance types, images).
// Beside the nouns stand the rules that need nothing else: PlanGroup says what a group does next, Victims whom a scale-in
// takes, and the Instance methods say which way an instance's state may move.
//
// Everything here is a value or a pure function: no I/O, no clock, no randomness. Values that came out of the store are
// shared by everyone who reads them: copy before changing. The package does not know how an instance is made (machine),
// who asks for one (action/ec2, action/autoscaling) or who makes it true (control/fleet).
package fleet
