//go:build statecheck

package state

import (
	"encoding/json"
	"fmt"
)

// seals find values that were changed in place: each value is kept a second
// time as text, and compared from time to time. The store's lock guards it.
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

// apply follows an update.
func (s *seals) apply(changes []Change) {
	for _, c := range changes {
		if c.Old != nil {
			delete(s.sealed, c.Old)
		}
		if c.New != nil {
			s.put(c.Table, c.Key, c.New)
		}
	}
}

// undo follows updates that were refused, the last one first.
func (s *seals) undo(batch []*commit) {
	for i := range batch {
		for _, c := range batch[len(batch)-1-i].changes {
			if c.New != nil {
				delete(s.sealed, c.New)
			}
			if c.Old != nil {
				s.put(c.Table, c.Key, c.Old)
			}
		}
	}
}

// check compares up to n values, which ones is left to chance, and panics when
// one has changed.
func (s *seals) check(n int) {
	for v, was := range s.sealed {
		if n--; n < 0 {
			return
		}
		if is := textOf(v); is != was.text {
			panic(fmt.Sprintf("state: value %s of table %s was changed in place; copy before you change\nwas %s\nis  %s",
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
