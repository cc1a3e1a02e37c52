package state

import (
	"bytes"
	"encoding/json"
	"fmt"
	"reflect"
	"strings"

	"github.com/berthhq/berth/internal/fault"
)

// Change is what one update did to one value. It is a Changed[T], T being the
// type of the table's values:
//
//	switch c := c.(type) {
//	case state.Changed[ecs.Task]:
//		// c.Old and c.New are *ecs.Task
//	}
type Change interface {
	// String returns the table, the key and the fields that changed.
	String() string

	isChange()
}

// Changed is a change of a value of type T. Old is nil for a new value and New
// for a deleted one.
type Changed[T any] struct {
	Key      string
	Old, New *T
}

// Last returns the value after the change, or, when it was deleted, before.
func (c Changed[T]) Last() *T {
	if c.New != nil {
		return c.New
	}
	return c.Old
}

func (c Changed[T]) isChange() {}

// String returns the type of the value, the key and what happened to it, for logs.
func (c Changed[T]) String() string {
	what := "deleted"
	switch {
	case c.Old == nil:
		what = "new"
	case c.New != nil:
		what = strings.Join(differences(reflect.ValueOf(*c.Old), reflect.ValueOf(*c.New)), " ")
	}
	return fmt.Sprintf("%s %s: %s", reflect.TypeFor[T](), c.Key, what)
}

// shortValue is the greatest length of a value that String shows.
const shortValue = 60

// differences returns the names of the fields in which two structs differ, with the new values of
// those that are short.
func differences(old, now reflect.Value) (names []string) {
	for i := range old.NumField() {
		a, b := old.Field(i).Interface(), now.Field(i).Interface()
		if reflect.DeepEqual(a, b) {
			continue
		}
		name := old.Type().Field(i).Name
		switch now.Field(i).Kind() {
		case reflect.Bool, reflect.Int, reflect.Int64, reflect.Float64, reflect.String:
			if value := fmt.Sprint(b); len(value) <= shortValue {
				name += "=" + value
			}
		}
		names = append(names, name)
	}
	return names
}

// change is a Change without its type: the values are pointers to the table's type, or nil.
type change struct {
	table *definition
	key   string
	old   any
	new   any
}

// typed returns the Change that subscribers get.
func (c change) typed() Change { return c.table.changed(c.key, c.old, c.new) }

// changeLog collects the changes of a transaction, one for each value.
type changeLog struct {
	changes []change
	at      map[rowID]int // index in changes
	over    bool          // the transaction has ended
}

type rowID struct {
	table *definition
	key   string
}

// add records a change. It joins an earlier change of the same value.
func (l *changeLog) add(c change) {
	id := rowID{c.table, c.key}
	if i, ok := l.at[id]; ok {
		l.changes[i].new = c.new
		return
	}
	if l.at == nil {
		l.at = make(map[rowID]int)
	}
	l.at[id] = len(l.changes)
	l.changes = append(l.changes, c)
}

// effective returns the changes that made a difference, in the order in which the values were first
// changed. Writing the old value back is no change: controllers that write what is already there
// must not wake each other.
func (l *changeLog) effective() []change {
	var changes []change
	for _, c := range l.changes {
		if !reflect.DeepEqual(c.old, c.new) {
			changes = append(changes, c)
		}
	}
	return changes
}

// written is a change in the journal. No value means a deletion.
type written struct {
	Table string `json:"t"`
	Key   string `json:"k"`
	Value any    `json:"v,omitempty"`
}

// read is a change read from the journal.
type read struct {
	Table string          `json:"t"`
	Key   string          `json:"k"`
	Value json.RawMessage `json:"v"`
}

func encode(changes []change) ([]byte, error) {
	out := make([]written, len(changes))
	for i, c := range changes {
		out[i] = written{c.table.name, c.key, c.new}
	}
	data, err := json.Marshal(out)
	if err != nil {
		return nil, fmt.Errorf("state: value cannot be stored: %w", err)
	}
	if hasBrokenText(data) {
		return nil, fault.New("ValidationError", "A string is not valid UTF-8; only UTF-8 can be stored.")
	}
	return data, nil
}

// hasBrokenText reports whether data was encoded from a string that is not UTF-8. The encoder
// writes the escape \ufffd only in place of bytes that it cannot encode, and the string that is
// read back would differ from the one that was written.
func hasBrokenText(data []byte) bool {
	for {
		i := bytes.Index(data, []byte(`\ufffd`))
		if i < 0 {
			return false
		}
		before := data[:i]
		if (len(before)-len(bytes.TrimRight(before, `\`)))%2 == 0 {
			return true // otherwise the backslash itself is text
		}
		data = data[i+2:]
	}
}
