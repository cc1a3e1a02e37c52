// Package awslogs implements Docker's awslogs log driver: it ships what containers write to CloudWatch Logs,
// line by line, while Docker keeps the output in a file.
//
// Nothing is lost or sent twice when an agent dies, even by kill -9. The checkpoint says how much of each
// container's log has been shipped. A batch is announced there before it is sent, and after a restart an
// announced batch is searched in the stream before it is sent again.
//
// A Shipper is safe for concurrent use. [Shipper.Run] owns its goroutines, one for each container.
package awslogs
