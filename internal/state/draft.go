package state

// Draft is what a function changed on a snapshot. Nothing of it is written until Apply.
type Draft struct {
	rev     uint64
	changes []change
}

// Draft runs fn as Update would, on a private copy of the snapshot, and returns its changes.
// Nothing is written. It may be called concurrently.
func (s *Snapshot) Draft(fn func(*Tx) error) (Draft, error) {
	tx := s.begin()
	defer func() { tx.log.over = true }()
	if err := fn(tx); err != nil {
		return Draft{}, err
	}
	return Draft{s.Rev, tx.log.effective()}, nil
}

// Empty reports whether nothing changed.
func (d Draft) Empty() bool { return len(d.changes) == 0 }

// Changes returns the changes, in the order in which the values were first changed.
func (d Draft) Changes() []Change {
	out := make([]Change, len(d.changes))
	for i, c := range d.changes {
		out[i] = c.typed()
	}
	return out
}

// Apply makes the changes of a draft in a transaction, and reports whether it could: the
// transaction must have begun at the revision of the draft's snapshot, and have changed nothing
// yet. Otherwise it does nothing, and the caller must run its function again.
func (tx *Tx) Apply(d Draft) bool {
	if tx.Rev != d.rev || len(tx.log.changes) > 0 {
		return false
	}
	for _, c := range d.changes {
		for t := range tx.list() {
			switch {
			case t.def != c.table:
			case c.new == nil:
				t.unset(c.key)
			default:
				t.set(c.new)
			}
		}
	}
	return true
}
