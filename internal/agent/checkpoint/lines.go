package checkpoint

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"hash/crc32"
	"maps"
	"os"
	"slices"
)

type key struct {
	Bucket string `json:"b,omitempty"`
	Name   string `json:"k,omitempty"`
}

// entry is one line: a checksum of eight hexadecimal digits, a space, and the entry as JSON.
//
// A file begins with a line that has Base, the fingerprint of the entries that existed when the file was
// written. These follow, none with a number above Seq, and then the writes since; each has the next Seq.
type entry struct {
	Seq uint64 `json:"s"`
	key
	Value json.RawMessage `json:"v,omitempty"` // nil says that the key was deleted
	Base  *uint32         `json:"base,omitempty"`
}

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func (e entry) line() []byte {
	text, err := json.Marshal(e)
	if err != nil {
		panic(err) // Value comes from package json
	}
	return fmt.Appendf(nil, "%08x %s\n", crc32.Checksum(text, castagnoli), text)
}

func parse(line []byte) (e entry, ok bool) {
	if len(line) < 10 || line[8] != ' ' {
		return e, false
	}
	sum := fmt.Sprintf("%08x", crc32.Checksum(line[9:], castagnoli))
	return e, string(line[:8]) == sum && json.Unmarshal(line[9:], &e) == nil
}

// replica is what can be read of one file.
type replica struct {
	base    *entry // the first line; nil if it is damaged
	entries map[uint64]entry
	last    uint64 // the highest Seq
	bad     int    // number of damaged lines
	size    int64
}

// whole reports whether the file alone shows no damage.
func (r *replica) whole() bool { return r.base != nil && r.bad == 0 }

func readReplica(path string) (*replica, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	r := &replica{entries: map[uint64]entry{}, size: int64(len(text))}
	for len(text) > 0 {
		line, rest, ended := bytes.Cut(text, []byte("\n"))
		text = rest
		e, ok := parse(line)
		if !ok || !ended {
			r.bad++
			continue
		}
		r.last = max(r.last, e.Seq)
		if e.Base != nil {
			r.base = &e
			continue
		}
		r.entries[e.Seq] = e
	}
	return r, nil
}

// errLost means that both copies lack something that was written.
var errLost = errors.New("something that was written is in no copy")

// merge returns the state that the copies have together. If something is lost, the state has only the name.
func merge(copies []*replica) (state map[key]entry, seq uint64, err error) {
	all := map[uint64]entry{}
	for _, r := range copies {
		maps.Copy(all, r.entries)
		seq = max(seq, r.last)
	}
	for _, r := range copies {
		if state := r.state(all, seq); state != nil {
			return state, seq, nil
		}
	}
	state = map[key]entry{}
	for _, e := range all {
		if e.key == (key{Agent, Name}) && e.Value != nil && e.Seq >= state[e.key].Seq {
			state[e.key] = e
		}
	}
	return state, seq, errLost
}

// state returns the state of a file and its later writes, or nil if something is missing although all has the
// entries of both copies.
func (r *replica) state(all map[uint64]entry, last uint64) map[key]entry {
	if r.base == nil {
		return nil
	}
	state := play(r.entries, r.base.Seq)
	if fingerprint(state) != *r.base.Base { // the other copy may have the earlier writes
		if state = play(all, r.base.Seq); fingerprint(state) != *r.base.Base {
			return nil
		}
	}
	for n := r.base.Seq + 1; n <= last; n++ {
		e, ok := all[n]
		if !ok {
			return nil
		}
		e.apply(state)
	}
	return state
}

// play returns the state after the entries up to a number.
func play(entries map[uint64]entry, upTo uint64) map[key]entry {
	state := map[key]entry{}
	for _, n := range slices.Sorted(maps.Keys(entries)) {
		if n <= upTo {
			entries[n].apply(state)
		}
	}
	return state
}

func (e entry) apply(state map[key]entry) {
	if e.Value == nil {
		delete(state, e.key)
	} else {
		state[e.key] = e
	}
}

// fingerprint identifies a state: no two entries have the same number.
func fingerprint(state map[key]entry) uint32 {
	var numbers []byte
	for _, e := range inOrder(state) {
		numbers = binary.LittleEndian.AppendUint64(numbers, e.Seq)
	}
	return crc32.Checksum(numbers, castagnoli)
}

func inOrder(state map[key]entry) []entry {
	return slices.SortedFunc(maps.Values(state), func(a, b entry) int { return cmp.Compare(a.Seq, b.Seq) })
}
