//go:build !race

package link

// sending and received are for the race detector.
func sending()  {}
func received() {}
