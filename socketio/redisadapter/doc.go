// Package redisadapter joins Socket.IO servers through Redis, so that Go and Node.js servers form one cluster. It
// speaks classic publish/subscribe (New) and the sharded kind (NewSharded), in the formats of
// @socket.io/redis-adapter 8, and Redis streams (NewStreams), in that of @socket.io/redis-streams-adapter 0.3, with
// which clients are recovered on any server. All servers of a cluster must speak the same.
//
// Losing Redis is survived: clients of the same server go on talking to each other, the log says once
// that the others are out of reach, and when Redis is back the subscriptions are made again without
// anybody's help. What was to be published meanwhile is lost, as it is for JavaScript servers.
// Publishing never waits for Redis: a bounded queue stands between, and batches leave together. When what
// is queued waits too long Redis counts as slow, and nothing local waits for it any longer.
//
// The goroutines of a Cluster live from its first namespace to the closing of its last.
package redisadapter
