package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"

	"github.com/berthhq/berth/internal/fault"
)

// Change is what one update did to one value. Old and New are pointers to the
// table's type; Old is nil for a new value and New for a deleted one.
type Change struct {
	Table string
	Key   string
	Old   any
	New   any
}

// changeLog collects what a transaction does, one change per value.
type changeLog struct {
	changes []Change
	at      map[[2]string]int // table and key -> place in changes
	over    bool              // the transaction has ended
}

// add notes a change. A later change of the same value joins the earlier one.
func (l *changeLog) add(c Change) {
	id := [2]string{c.Table, c.Key}
	if i, ok := l.at[id]; ok {
		l.changes[i].New = c.New
		return
	}
	if l.at == nil {
		l.at = make(map[[2]string]int)
	}
	l.at[id] = len(l.changes)
	l.changes = append(l.changes, c)
}

// effective returns the changes that changed something, in the order in which
// the values were first touched. Putting back what was there is no change:
// controllers that write what they already wrote must not wake each other.
func (l *changeLog) effective() []Change {
	var changes []Change
	for _, c := range l.changes {
		if !reflect.DeepEqual(c.Old, c.New) {
			changes = append(changes, c)
		}
	}
	return changes
}

// written is a change in the journal. A missing value is a deletion.
type written struct {
	Table string `json:"t"`
	Key   string `json:"k"`
	Value any    `json:"v,omitempty"`
}

// read is a change out of the journal.
type read struct {
	Table string          `json:"t"`
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v"`
}

func encode(changes []Change) ([]byte, error) {
	out := make([]written, len(changes))
	for i, c := range changes {
		out[i] = written{c.Table, c.Key, c.New}
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("state: value cannot be kept: %w", err)
	}
	if hasBrokenText(data) {
		return nil, fault.New("ValidationError", "A text is not valid UTF-8; only UTF-8 can be kept.")
	}
	return data, nil
}

// hasBrokenText tells whether a text that is not UTF-8 went into data. The
// encoder writes \ufffd, an escape it uses for nothing else, in place of what it
// cannot write, and what is read back later would not be what is there now.
func hasBrokenText(data []byte) bool {
	for {
		i := bytes.Index(data, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		before := data[:i]
		if (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 0 {
			return true // else the backslash is text itself
		}
		data = data[i+2:]
	}
}
