// Package awslogs plays Docker's awslogs log driver: it ships what containers
// write to CloudWatch Logs, line by line as it is written, while Docker keeps the
// output in its own file.
//
// Nothing is lost and nothing is doubled when an agent dies, even by kill -9: how
// far each container's log has been shipped is in the checkpoint, a batch is
// announced there before it is sent, and an announced batch of a dead agent is
// looked for in the stream before it is sent again.
//
// A Shipper is safe for concurrent use; its goroutines, one per container, belong
// to [Shipper.Run].
package awslogs
