// Package scaling is the arithmetic of alarms and of automatic scaling: what CloudWatch alarms,
// Application Auto Scaling, policies of EC2 Auto Scaling and the managed scaling of capacity
// providers decide.
//
// Everything is a function of values and a time: nothing here measures, waits or writes.
// Controllers are to supply the measurements and carry out the decisions. A capacity is a number of
// tasks or instances.
package scaling
