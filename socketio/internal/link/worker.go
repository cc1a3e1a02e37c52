package link

// Worker does the work that the callbacks of a loop have left to do. Each goroutine that serves a loop has one, if
// Group.NewWorker is set.
type Worker interface {
	// Begin is called before the callbacks for links that are ready. The same goroutine calls Work after them.
	Begin()
	// Work does what is to be done. It may block, because no callback is under way. When it takes long, another
	// goroutine takes the loop over.
	Work()
	// Replaced is called by another goroutine when Work takes so long that the loop has been taken over. Nothing
	// but the end of Work follows.
	Replaced()
}
