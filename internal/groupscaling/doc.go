// Package groupscaling has the scaling policies and scheduled actions that EC2 Auto Scaling stores for groups, and the
// functions that decide what policies do. The arithmetic is in package scaling.
package groupscaling
