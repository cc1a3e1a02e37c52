// Package groupscaling has what EC2 Auto Scaling keeps of the scaling of groups: policies and scheduled actions. It
// also has their decisions, which are functions of values and the time. The arithmetic is in package scaling.
package groupscaling
