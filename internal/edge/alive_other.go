//go:build !unix

package edge

// alive cannot be known without waiting on this system; a dead connection is found out by the request that uses it.
func (c *targetConn) alive() bool { return true }
