// Package fleet holds the nouns of EC2 and EC2 Auto Scaling: instances, launch configurations and
// templates, groups and their activities, key pairs, security groups, and the facts of a region
// (zones, the default VPC, instance types, images). It also has the rules that need nothing else:
// PlanGroup decides what a group does next, Victims which instances a scale-in ends, and the
// methods of Instance say which states may follow each other.
//
// Everything here is a value or a pure function: no I/O, no clock, no randomness. Values from the
// store are shared by all who read them: copy before changing. The package does not know how an
// instance is made (machine), who asks for one (action/ec2, action/autoscaling) or who carries that
// out (control/fleet).
package fleet
