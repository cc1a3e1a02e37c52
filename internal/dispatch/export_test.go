package dispatch

// For the tests of what reports do to tasks.
var (
	Observe       = observe
	ObserveHealth = observeHealth
)
