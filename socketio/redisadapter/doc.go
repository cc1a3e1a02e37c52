// Package redisadapter connects Socket.IO servers through Redis, so that Go and Node.js servers
// form one cluster. It has classic publish/subscribe (New) and sharded publish/subscribe
// (NewSharded), in the formats of @socket.io/redis-adapter 8, and Redis streams (NewStreams), in
// that of @socket.io/redis-streams-adapter 0.3, with which clients can be recovered on any server.
// All servers of a cluster must use the same.
//
// If Redis is lost, clients of the same server can still reach each other. The log says once that
// the other servers cannot be reached. When Redis is back, the subscriptions are renewed
// automatically. What was published in the meantime is lost, as with JavaScript servers. Publishing
// never waits for Redis: messages go into a bounded queue and are sent in batches. If they wait too
// long, Redis counts as slow, and local clients no longer wait for it.
//
// The goroutines of a Cluster run from its first namespace until the last one is closed.
package redisadapter
