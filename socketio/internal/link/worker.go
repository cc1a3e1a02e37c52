package link

// Worker does work that callbacks have queued. If Group.NewWorker is set, each goroutine that serves links with epoll
// has a Worker.
type Worker interface {
	// Begin is called before the callbacks of links that are ready. The same goroutine calls Work after the callbacks.
	Begin()
	// Work does the queued work. It may block, since no callback of the same goroutine runs. If it takes long, another
	// goroutine serves the links from then on.
	Work()
	// Replaced is called by another goroutine when that has happened. The worker is not used again after Work returns.
	Replaced()
}
