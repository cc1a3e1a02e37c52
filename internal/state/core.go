package state

import (
	"encoding/json"
	"fmt"
	"iter"
	"slices"
)

// core is a table without its type: everything that need not be compiled once per type of value.
// Values are *T of the Table around it.
type core struct {
	def  *definition
	rows *rows
	log  *changeLog // nil in a snapshot
	own  bool       // rows were copied since the last seal and may be changed
}

// definition says how the values of a table are named, indexed and read from the journal.
type definition struct {
	name    string // in the journal; must never change
	key     func(any) string
	decode  func(json.RawMessage) (any, error)
	changed func(key string, old, new any) Change
	indexes []*index
	sums    []sum
}

// sum keeps, for each entry, a value that is computed from all rows with that entry. The value is
// never changed in place, so snapshots can share it. add and remove return nil when no row is left.
type sum struct {
	entry       func(any) string // "" means none
	add, remove func(kept, row any) any
	// same reports whether two rows with one entry add the same to it, so that one may replace the other without a new
	// value. nil means that they never do.
	same func(old, new any) bool
}

// index is a secondary index. Its address identifies it.
type index struct {
	entries func(any) []string
	order   func(any) string // sorts the values of one entry, before their primary keys do; may be nil
}

// keys returns the keys of v in every index, and those of old, the row that it replaces; primary is the primary key of
// both. Either may be nil. It is called before anything is written, so that a panic in an index function leaves nothing
// half done.
func (d *definition) keys(old, v any, primary string) (was, is [][]string) {
	n := len(d.indexes)
	all := make([][]string, 2*n)
	was, is = all[:n], all[n:]
	for i, ix := range d.indexes {
		var lastOfOld, lastOfNew string
		was[i], lastOfOld = ix.of(old, primary)
		is[i], lastOfNew = ix.of(v, primary)
		same := lastOfOld == lastOfNew && slices.Equal(was[i], is[i])
		makeKeys(is[i], lastOfNew)
		if same { // as most are
			was[i] = is[i]
		} else {
			makeKeys(was[i], lastOfOld)
		}
	}
	return was, is
}

// of returns the entries of v, which may be nil, and what follows them in their keys.
func (ix *index) of(v any, primary string) (entries []string, last string) {
	if v == nil {
		return nil, primary
	}
	entries = ix.entries(v)
	if ix.order != nil && len(entries) > 0 {
		return entries, ix.order(v) + primary
	}
	return entries, primary
}

func makeKeys(entries []string, last string) {
	for k, entry := range entries {
		entries[k] = indexKey(entry, last)
	}
}

// rows are the contents of a table.
type rows struct {
	primary   tree
	secondary []tree // by indexKey, in the order of the definition's indexes
	sums      []tree // by entry, in the order of the definition's sums
}

func newRows(indexes, sums int) *rows {
	return &rows{primary: newTree(), secondary: newTrees(indexes), sums: newTrees(sums)}
}

func newTrees(n int) []tree {
	trees := make([]tree, n)
	for i := range trees {
		trees[i] = newTree()
	}
	return trees
}

// under yields the values whose key in an index begins with prefix; if ix is nil, whose primary key
// does.
func (t *core) under(ix *index, prefix string) iter.Seq2[string, any] {
	if ix == nil {
		return t.rows.primary.under(prefix)
	}
	i := slices.Index(t.def.indexes, ix)
	if i < 0 { // TestEveryIndexIsDefined checks that this cannot happen
		panic(fmt.Sprintf("state: table %s is not defined with an index of its type", t.def.name))
	}
	return t.rows.secondary[i].under(prefix)
}

// set writes v and records the change.
func (t *core) set(v any) {
	key := t.def.key(v)
	if key == "" {
		panic(fmt.Sprintf("state: value without a key put into table %s", t.def.name))
	}
	t.record(key, t.put(key, v), v)
}

// unset deletes the value with the given key, if there is one, and records the change.
func (t *core) unset(key string) {
	t.writable()
	if old, ok := t.rows.primary.get(key); ok {
		t.remove(key, old)
		t.record(key, old, nil)
	}
}

func (t *core) put(key string, v any) (old any) {
	t.writable()
	old, _ = t.rows.primary.get(key)
	was, is := t.def.keys(old, v, key)
	t.rows.primary.insert(key, v)
	for i := range is {
		t.rows.secondary[i].refer(was[i], is[i], v)
	}
	t.sum(old, v)
	return old
}

// sum removes old from the sums and adds v; either may be nil.
func (t *core) sum(old, v any) {
	for i, s := range t.def.sums {
		kept := &t.rows.sums[i]
		var was, is string
		if old != nil {
			was = s.entry(old)
		}
		if v != nil {
			is = s.entry(v)
		}
		switch {
		case was != is:
			kept.update(was, func(sum any) any { return s.remove(sum, old) })
			kept.update(is, func(sum any) any { return s.add(sum, v) })
		case is != "" && (s.same == nil || !s.same(old, v)):
			kept.update(is, func(sum any) any { return s.add(s.remove(sum, old), v) })
		}
	}
}

func (t *core) remove(key string, old any) {
	was, _ := t.def.keys(old, nil, key)
	t.rows.primary.remove(key)
	for i := range was {
		t.rows.secondary[i].refer(was[i], nil, nil)
	}
	t.sum(old, nil)
}

// writable panics unless the table may be written, and copies rows that a sealed snapshot shares.
func (t *core) writable() {
	switch {
	case t.log == nil:
		panic(fmt.Sprintf("state: write to table %s outside of Update: snapshots are read-only", t.def.name))
	case t.log.over:
		panic(fmt.Sprintf("state: write to table %s after its transaction ended", t.def.name))
	case !t.own:
		t.rows = &rows{t.rows.primary, slices.Clone(t.rows.secondary), slices.Clone(t.rows.sums)}
		t.own = true
	}
}

// record records a change for the journal and the subscriptions. A missing value is an untyped nil.
func (t *core) record(key string, old, new any) {
	t.log.add(change{t.def, key, old, new})
}

func (t *core) title() string {
	if t.def == nil {
		return ""
	}
	return t.def.name
}

// restore writes back the value before a change; nil means that there was none.
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
	for i := range t.rows.sums {
		t.rows.sums[i].seal()
	}
	t.own = false
}

// load applies a change from the journal; no data means a deletion.
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
		return fmt.Errorf("table %s: the value stored under key %s has the key %s", t.def.name, key, got)
	}
	t.put(key, v)
	return nil
}

// each yields every value with its key.
func (t *core) each() iter.Seq2[string, any] { return t.rows.primary.under("") }
