//go:build !unix

package cli

// ownDir reports whether a directory belongs to this user. Demos do not run on this system, so there is none to
// find.
func ownDir(string) bool { return false }
