package bolt

import (
	"os"

	"go.etcd.io/bbolt"
)

// ahead is how many bytes of zeros are written past the last page in use.
const ahead = 1 << 20

// room keeps written blocks ready past the end of what the file holds. A sync
// of pages in blocks that the file system has yet to allocate waits for the
// file system's own journal, and with it for everybody else's writes; a sync of
// pages in blocks that were written before does not. Setting the file's size
// ahead, as bbolt does, allocates nothing.
type room struct {
	file  *os.File
	until int64 // zeros, or pages of bbolt's, are written up to here
}

func openRoom(path string) (*room, error) {
	f, err := os.OpenFile(path, os.O_WRONLY, 0)
	return &room{file: f}, err
}

// make writes zeros where the transaction, and any after it, may put pages. The
// transaction must be a writing one: nobody else uses the pages past its size.
// A disk that has no room for zeros may yet have room for the pages, so it is
// no error when they could not be written; the next megabyte tries again.
func (r *room) make(tx *bbolt.Tx) {
	from := max(r.until, tx.Size())
	if tx.Size()+ahead/2 <= r.until {
		return
	}
	r.until = tx.Size() + ahead
	_, _ = r.file.WriteAt(make([]byte, r.until-from), from)
}

func (r *room) close() error { return r.file.Close() }
