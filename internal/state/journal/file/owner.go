package file

import "fmt"

// Owner is the data directory to which a journal belongs. A journal that was copied to another
// directory is not opened there: its rows would be served with that directory's keys, and that
// directory's instances would be removed because no row names them.
type Owner struct {
	ID   uint32 // derived from the keys of the directory; 0 opens a journal of any owner
	Keys string // the path of the file with the keys, for the error
}

// ownerOffset is the offset of the owner in a head.
const ownerOffset = 12

// check returns an error if a head has another owner. A head without one is from an earlier
// version.
func (o Owner) check(path string, h head) error {
	if o.ID == 0 || h.owner == 0 || h.owner == o.ID {
		return nil
	}
	return &Damage{path, h.place() + ownerOffset, fmt.Sprintf("it was written in another data directory than %s: "+
		"put back the file that was written with these keys, or restore a backup, which has both", o.Keys)}
}

// own writes the owner to both copies of the head of a journal without one. One copy is intact at
// any moment.
func (j *Journal) own(id uint32) error {
	if id == 0 || j.head.owner == id {
		return nil
	}
	for range 2 {
		next := j.head
		next.turn, next.owner = next.turn+1, id
		if err := next.writeTo(j.f); err != nil {
			return err
		}
		if err := j.f.Sync(); err != nil {
			return err
		}
		j.head = next
	}
	return nil
}
