// Package bolt reads journals of format 1, which older versions of Berth kept in a bbolt file. It
// never writes.
//
// It reads the pages itself, because bbolt trusts the pages of a file and ends the process at a
// damaged one. Format 1 has no checksums, so damage inside a value is found only if the value is
// malformed.
package bolt

import (
	"encoding/binary"
	"errors"
	"fmt"
	"hash/fnv"
	"iter"
	"os"

	"github.com/berthhq/berth/internal/state/journal"
)

// The file's buckets and keys.
const (
	logBucket   = "log"      // revision -> term, data
	partsBucket = "parts"    // revision, number -> data; of the snapshot, or left over from another
	metaBucket  = "meta"     //
	snapshotKey = "snapshot" // in meta -> revision, term
	formatKey   = "format"   // in meta -> format
)

// Format1 is the format that Replay reads.
const Format1 = "1"

// File is a bbolt file in memory.
type File struct {
	path string
	data []byte
	page int    // bytes of a page
	root uint64 // page of the bucket of buckets
	end  uint64 // number of pages
}

// Damage is a page that cannot be what was written.
type Damage struct {
	Path string
	Page uint64
	What string
}

func (d *Damage) Error() string {
	return fmt.Sprintf("%s is damaged at page %d: %s", d.Path, d.Page, d.What)
}

func (f *File) damaged(page uint64, format string, args ...any) error {
	return &Damage{f.path, page, fmt.Sprintf(format, args...)}
}

// Read reads the file.
func Read(path string) (*File, error) {
	data, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &File{path: path, data: data}
	if len(data) == 0 {
		return nil, f.damaged(0, "the file is empty, and should have at least two pages")
	}
	newest, found := uint64(0), false
	for size := 1024; size <= 65536; size *= 2 { // the first copy is at 0 for all sizes
		for at := range 2 {
			m, ok := f.meta(at*size, size)
			if ok && (!found || m.txid > newest) {
				newest, found = m.txid, true
				f.page, f.root, f.end = size, m.root, m.pages
			}
		}
	}
	if !found {
		return nil, f.damaged(0, "there is no whole page of metadata")
	}
	if uint64(len(data))/uint64(f.page) < f.end {
		return nil, f.damaged(uint64(len(data)/f.page), "the file ends here and should have %d pages", f.end)
	}
	return f, nil
}

type meta struct{ root, pages, txid uint64 }

// meta reads the page of metadata at an offset. ok is false if it is not for pages of the given
// size.
func (f *File) meta(offset, size int) (m meta, ok bool) {
	if len(f.data) < offset+16+64 {
		return m, false
	}
	b := f.data[offset+16:]
	sum := fnv.New64a()
	sum.Write(b[:56])
	if binary.LittleEndian.Uint32(b) != 0xED0CDAED || int(binary.LittleEndian.Uint32(b[8:])) != size ||
		sum.Sum64() != binary.LittleEndian.Uint64(b[56:]) {
		return m, false
	}
	return meta{
		root:  binary.LittleEndian.Uint64(b[16:]),
		pages: binary.LittleEndian.Uint64(b[40:]),
		txid:  binary.LittleEndian.Uint64(b[48:]),
	}, true
}

// Kinds of pages.
const (
	branchPage = 1
	leafPage   = 2
)

// walk calls fn for each key below a page, in order. It returns an error if it comes to a page
// twice.
func (f *File) walk(page uint64, seen map[uint64]bool, fn func(key, value []byte) error) error {
	if page < 2 || page >= f.end || seen[page] {
		return f.damaged(page, "another page refers to this one")
	}
	seen[page] = true
	b := f.data[page*uint64(f.page):]
	if got := binary.LittleEndian.Uint64(b); got != page {
		return f.damaged(page, "it has the number of page %d", got)
	}
	more := uint64(binary.LittleEndian.Uint32(b[12:]))
	if more >= f.end-page {
		return f.damaged(page, "it continues after the end of the file")
	}
	return f.elements(page, b[:(more+1)*uint64(f.page)], seen, fn)
}

// elements walks the elements of a page, which may be inside a value.
func (f *File) elements(page uint64, b []byte, seen map[uint64]bool, fn func(key, value []byte) error) error {
	if len(b) < 16 {
		return f.damaged(page, "it is too short")
	}
	kind, count := binary.LittleEndian.Uint16(b[8:]), int(binary.LittleEndian.Uint16(b[10:]))
	if kind != branchPage && kind != leafPage || len(b) < 16+16*count {
		return f.damaged(page, "its kind is %d and it has %d elements", kind, count)
	}
	last := ""
	for i := range count {
		e := b[16+16*i:]
		at, klen, vlen, child := element(kind, e)
		if at+klen+vlen > uint64(len(e)) {
			return f.damaged(page, "element %d goes past its end", i)
		}
		key := e[at : at+klen]
		if i > 0 && string(key) <= last {
			return f.damaged(page, "the keys of its elements are not in order")
		}
		last = string(key)
		var err error
		if kind == branchPage {
			err = f.walk(child, seen, fn)
		} else {
			err = fn(key, e[at+klen:at+klen+vlen])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func element(kind uint16, e []byte) (at, klen, vlen, child uint64) {
	u32 := func(i int) uint64 { return uint64(binary.LittleEndian.Uint32(e[i:])) }
	if kind == branchPage {
		return u32(0), u32(4), 0, binary.LittleEndian.Uint64(e[8:])
	}
	return u32(4), u32(8), u32(12), 0
}

// bucket calls fn for each key of a bucket.
func (f *File) bucket(name string, fn func(key, value []byte) error) error {
	var value []byte
	err := f.walk(f.root, map[uint64]bool{}, func(k, v []byte) error {
		if string(k) == name {
			value = v
		}
		return nil
	})
	if err != nil {
		return err
	}
	if len(value) < 16 {
		return f.damaged(f.root, "there is no bucket %q", name)
	}
	root := binary.LittleEndian.Uint64(value)
	if root == 0 { // the bucket is small and stored in the value
		return f.elements(f.root, value[16:], map[uint64]bool{}, fn)
	}
	return f.walk(root, map[uint64]bool{}, fn)
}

// Format returns the format that the file names.
func (f *File) Format() (format string, err error) {
	err = f.bucket(metaBucket, func(k, v []byte) error {
		if string(k) == formatKey {
			format = string(v)
		}
		return nil
	})
	return format, err
}

var errStop = errors.New("stop")

// History yields everything in the file: the parts of the snapshot and the entries after it.
func (f *File) History() iter.Seq2[journal.Entry, error] {
	return func(yield func(journal.Entry, error) bool) {
		err := f.history(func(e journal.Entry) error {
			if !yield(e, nil) {
				return errStop
			}
			return nil
		})
		if err != nil && !errors.Is(err, errStop) {
			yield(journal.Entry{}, err)
		}
	}
}

func (f *File) history(yield func(journal.Entry) error) error {
	var rev, term uint64
	err := f.bucket(metaBucket, func(k, v []byte) error {
		if string(k) == snapshotKey && len(v) == 16 {
			rev, term = binary.BigEndian.Uint64(v), binary.BigEndian.Uint64(v[8:])
		}
		return nil
	})
	if err != nil {
		return err
	}
	parts := uint32(0)
	err = f.bucket(partsBucket, func(k, v []byte) error {
		if len(k) != 12 {
			return f.damaged(f.root, "a key of bucket %q has %d bytes", partsBucket, len(k))
		}
		if binary.BigEndian.Uint64(k) != rev {
			return nil // left over from another compaction
		}
		if got := binary.BigEndian.Uint32(k[8:]); got != parts {
			return f.damaged(f.root, "part %d of the snapshot is missing", parts)
		}
		parts++
		return yield(journal.Entry{Rev: rev, Term: term, Part: true, Data: v})
	})
	if err == nil && rev > 0 && parts == 0 {
		err = f.damaged(f.root, "the parts of the snapshot are missing")
	}
	if err != nil {
		return err
	}
	return f.log(rev, yield)
}

// log yields the entries after the snapshot. Entries up to it may still be there and are skipped.
func (f *File) log(rev uint64, yield func(journal.Entry) error) error {
	saved, term := rev, uint64(0)
	return f.bucket(logBucket, func(k, v []byte) error {
		if len(k) != 8 || len(v) < 8 {
			return f.damaged(f.root, "a key of bucket %q has %d bytes", logBucket, len(k))
		}
		e := journal.Entry{Rev: binary.BigEndian.Uint64(k), Term: binary.BigEndian.Uint64(v), Data: v[8:]}
		if e.Rev <= saved {
			return nil
		}
		if err := journal.Check(rev, term, []journal.Entry{e}); err != nil {
			return f.damaged(f.root, "entry %d follows entry %d: %v", e.Rev, rev, err)
		}
		rev, term = e.Rev, e.Term
		return yield(e)
	})
}
