//go:build !unix

package server

// descriptors is how many files and connections this process may open.
func descriptors() uint64 { return 4096 }
