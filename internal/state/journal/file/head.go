package file

import (
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"io"
	"os"
)

// head says what must be in the file at least. There are two copies, at 0 and at headGap, written
// in turn, so that one is always intact. Each append writes one with the same sync as its frame:
// the head says that the frames before that one are complete.
//
//	0   magic, 8 bytes
//	8   number of the file, 4 bytes
//	12  owner: Owner.ID of the data directory, 4 bytes; 0 in files of versions without owners
//	16  turn: the copy with the higher turn is the newer one, 8 bytes
//	24  good: the frames up to this offset are on the disk, 8 bytes
//	32  size: the file has at least this many bytes, 8 bytes
//	40  CRC-32C of the 40 bytes before
type head struct {
	number uint32
	owner  uint32
	turn   uint64
	good   int64
	size   int64
}

const (
	headMagic = "BERTHJ02"
	headSize  = 44
	headGap   = 4096
)

func (h head) bytes() []byte {
	b := append(make([]byte, 0, headSize), headMagic...)
	b = binary.LittleEndian.AppendUint32(b, h.number)
	b = binary.LittleEndian.AppendUint32(b, h.owner)
	b = binary.LittleEndian.AppendUint64(b, h.turn)
	b = binary.LittleEndian.AppendUint64(b, uint64(h.good))
	b = binary.LittleEndian.AppendUint64(b, uint64(h.size))
	return binary.LittleEndian.AppendUint32(b, crc32.Checksum(b, castagnoli))
}

// place returns the offset of the copy with this turn.
func (h head) place() int64 { return int64(h.turn%2) * headGap }

func (h head) writeTo(f io.WriterAt) error {
	_, err := f.WriteAt(h.bytes(), h.place())
	return err
}

// readHead reads both copies, and returns the newer one and the places of damaged copies. A crash
// damages at most the copy that was being written.
func readHead(path string, f io.ReaderAt) (newest head, damage []*Damage, err error) {
	found := false
	for turn := range uint64(2) {
		place := head{turn: turn}.place()
		b := make([]byte, headSize)
		if err := readFull(f, b, place); err != nil {
			return head{}, nil, err
		}
		if string(b[:8]) != headMagic || crc32.Checksum(b[:40], castagnoli) != binary.LittleEndian.Uint32(b[40:]) {
			damage = append(damage, &Damage{path, place, "a copy of the file's head has a wrong checksum"})
			continue
		}
		h := head{
			number: binary.LittleEndian.Uint32(b[8:]),
			owner:  binary.LittleEndian.Uint32(b[12:]),
			turn:   binary.LittleEndian.Uint64(b[16:]),
			good:   int64(binary.LittleEndian.Uint64(b[24:])),
			size:   int64(binary.LittleEndian.Uint64(b[32:])),
		}
		if !found || h.turn > newest.turn {
			newest, found = h, true
		}
	}
	if !found {
		return head{}, damage, &Damage{path, 0, "both copies of the file's head are damaged, or this is not a journal"}
	}
	return newest, damage, nil
}

// checkSize returns an error if the file is shorter than its head says.
func checkSize(f *os.File, h head) (int64, error) {
	info, err := f.Stat()
	if err != nil {
		return 0, err
	}
	if info.Size() < h.size {
		return 0, &Damage{
			f.Name(), info.Size(), fmt.Sprintf("the file ends here and should have at least %d bytes", h.size),
		}
	}
	return info.Size(), nil
}
