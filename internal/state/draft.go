package state

import "slices"

// Draft is what a function changed on a snapshot. Nothing of it is written until Apply.
type Draft struct {
	rev     uint64
	changes []change
	tx      *Tx // the private copy with the changes
}

// Draft runs fn as Update would, on a private copy of the snapshot, and returns its changes.
// Nothing is written. It may be called concurrently.
func (s *Snapshot) Draft(fn func(*Tx) error) (Draft, error) {
	tx := s.begin()
	defer func() { tx.log.over = true }()
	if err := fn(tx); err != nil {
		return Draft{}, err
	}
	return Draft{s.Rev, tx.log.effective(), tx}, nil
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
// yet, and the draft must not have been applied before. Otherwise it does nothing, and the caller
// must run its function again.
//
// The transaction takes the draft's tables over, since writing every row a second time would cost as
// much as the draft. That is right because there is only one state of a revision: when nothing is staged
// beyond it, staged and durable are the same snapshot, on which both have begun.
func (tx *Tx) Apply(d Draft) bool {
	if tx.Rev != d.rev || len(tx.log.changes) > 0 || d.tx == nil || d.tx.adopted {
		return false
	}
	d.tx.adopted = true
	drafted := slices.Collect(d.tx.list())
	i := 0
	for t := range tx.list() {
		if from := drafted[i]; from.own {
			t.rows, t.own = from.rows, true
		}
		i++
	}
	for _, c := range d.changes {
		tx.log.add(c)
	}
	return true
}
