//go:build statecheck

package state

import (
	"encoding/json"
	"fmt"
)

// seals find values that were changed in place: they keep each value as text too, and compare the
// two from time to time. The store's lock guards them.
type seals struct {
	sealed map[any]seal // by pointer
}

type seal struct{ table, key, text string }

func (s *seals) put(table, key string, v any) {
	if s.sealed == nil {
		s.sealed = make(map[any]seal)
	}
	s.sealed[v] = seal{table, key, textOf(v)}
}

// apply takes in the changes of an update.
func (s *seals) apply(changes []change) {
	for _, c := range changes {
		if c.old != nil {
			delete(s.sealed, c.old)
		}
		if c.new != nil {
			s.put(c.table.name, c.key, c.new)
		}
	}
}

// undo reverts the changes of updates that were refused, the last one first.
func (s *seals) undo(batch []*commit) {
	for i := range batch {
		for _, c := range batch[len(batch)-1-i].changes {
			if c.new != nil {
				delete(s.sealed, c.new)
			}
			if c.old != nil {
				s.put(c.table.name, c.key, c.old)
			}
		}
	}
}

// check compares up to n random values, and panics when one has changed.
func (s *seals) check(n int) {
	for v, was := range s.sealed {
		if n--; n < 0 {
			return
		}
		if is := textOf(v); is != was.text {
			panic(fmt.Sprintf(
				"state: value %s of table %s was changed in place; copy before you change\nwas %s\nis  %s",
				was.key, was.table, was.text, is))
		}
	}
}

func textOf(v any) string {
	text, err := json.Marshal(v)
	if err != nil {
		panic(fmt.Sprintf("state: value cannot be fingerprinted: %v", err))
	}
	return string(text)
}
