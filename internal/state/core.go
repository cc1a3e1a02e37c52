package state

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// core is a table without its type: everything that does not have to be written
// once per type of value. Values are *T of the Table around it.
type core struct {
	def  *definition
	rows *rows
	log  *changeLog // nil in a snapshot
	own  bool       // rows were copied since the last seal and may be written
}

// definition says how values of a table are named, found and read back.
type definition struct {
	name    string // in the journal; never changes
	key     func(any) string
	decode  func(json.RawMessage) (any, error)
	indexes []index
}

type index struct {
	name    Index
	entries func(any) []string
}

// entries are those of v in every index. They are asked for before anything is
// written, so that a value they panic on leaves no trace.
func (d *definition) entries(v any) [][]string {
	all := make([][]string, len(d.indexes))
	for i, ix := range d.indexes {
		all[i] = ix.entries(v)
	}
	return all
}

// rows are the contents of a table.
type rows struct {
	primary   tree
	secondary []tree // by indexKey, in the order of the definition's indexes
}

func newRows(indexes int) *rows {
	r := &rows{primary: newTree(), secondary: make([]tree, indexes)}
	for i := range indexes {
		r.secondary[i] = newTree()
	}
	return r
}

// under yields the values whose key in an index, or in the primary tree when
// name is "", begins with prefix.
func (t *core) under(name Index, prefix string) iter.Seq2[string, any] {
	if name == "" {
		return t.rows.primary.under(prefix)
	}
	i := slices.IndexFunc(t.def.indexes, func(ix index) bool { return ix.name == name })
	if i < 0 {
		panic(fmt.Sprintf("state: table %s has no index %q", t.def.name, name))
	}
	return t.rows.secondary[i].under(prefix)
}

// set writes v and notes the change.
func (t *core) set(v any) {
	key := t.def.key(v)
	if key == "" {
		panic(fmt.Sprintf("state: value without a key put into table %s", t.def.name))
	}
	t.record(key, t.put(key, v), v)
}

// unset removes the value with the given key, if there is one, and notes the
// change.
func (t *core) unset(key string) {
	t.writable()
	if old, ok := t.rows.primary.get(key); ok {
		t.remove(key, old)
		t.record(key, old, nil)
	}
}

func (t *core) put(key string, v any) (old any) {
	t.writable()
	is := t.def.entries(v)
	old, replaced := t.rows.primary.get(key)
	was := make([][]string, len(is))
	if replaced {
		was = t.def.entries(old)
	}
	t.rows.primary.insert(key, v)
	for i := range is {
		t.rows.secondary[i].refer(key, was[i], is[i], v)
	}
	return old
}

func (t *core) remove(key string, old any) {
	was := t.def.entries(old)
	t.rows.primary.remove(key)
	for i := range was {
		t.rows.secondary[i].refer(key, was[i], nil, nil)
	}
}

// writable makes sure that the table may be written, and that writes touch only
// rows that are not part of a sealed snapshot.
func (t *core) writable() {
	switch {
	case t.log == nil:
		panic(fmt.Sprintf("state: write to table %s outside of Update: snapshots are read-only", t.def.name))
	case t.log.over:
		panic(fmt.Sprintf("state: write to table %s after its transaction was given up", t.def.name))
	case !t.own:
		t.rows = &rows{t.rows.primary, slices.Clone(t.rows.secondary)}
		t.own = true
	}
}

// record notes a change for the journal and the subscriptions. A missing side
// is an untyped nil.
func (t *core) record(key string, old, new any) {
	t.log.add(Change{Table: t.def.name, Key: key, Old: old, New: new})
}

func (t *core) title() string {
	if t.def == nil {
		return ""
	}
	return t.def.name
}

// restore puts back what was there before a change; nil is nothing.
func (t *core) restore(key string, old any) {
	if old != nil {
		t.put(key, old)
	} else if v, ok := t.rows.primary.get(key); ok {
		t.remove(key, v)
	}
}

// seal makes the rows immutable: the next write copies them.
func (t *core) seal() {
	if !t.own {
		return
	}
	t.rows.primary.seal()
	for i := range t.rows.secondary {
		t.rows.secondary[i].seal()
	}
	t.own = false
}

// load applies a change read from the journal; no data is a deletion.
func (t *core) load(key string, data json.RawMessage) error {
	t.writable()
	if len(data) == 0 {
		if old, ok := t.rows.primary.get(key); ok {
			t.remove(key, old)
		}
		return nil
	}
	v, err := t.def.decode(data)
	if err != nil {
		return fmt.Errorf("table %s, key %s: %w", t.def.name, key, err)
	}
	if got := t.def.key(v); got != key {
		return fmt.Errorf("table %s: value kept under key %s calls itself %s", t.def.name, key, got)
	}
	t.put(key, v)
	return nil
}

// each yields every value with its key.
func (t *core) each() iter.Seq2[string, any] { return t.rows.primary.under("") }
