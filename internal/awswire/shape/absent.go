package shape

// Absent is an operation that lists things of a kind that cannot exist here.
type Absent struct {
	Name    string
	In, Out any // values of the shapes
	Unknown []Unknown
}

// Unknown is a member of an input that names things, a string or a list of strings, and AWS's code of
// the fault that there is no such thing.
type Unknown struct{ Member, Code string }
