package dispatch

// For the tests of what reports do to tasks.
var ObserveHealth = observeHealth
