package meter

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
)

// A frame is a part of a file whose damage can be found. It has four bytes that are the same in all frames,
// the length of its contents, their checksum, the checksum of these three, and the contents.
const (
	frameMark   = "BMf1"
	frameHeader = 16
	maxFrame    = 64 << 20
)

var castagnoli = crc32.MakeTable(crc32.Castagnoli)

func sum(b []byte) uint32 { return crc32.Checksum(b, castagnoli) }

func appendFrame(b, payload []byte) []byte {
	start := len(b)
	b = append(b, frameMark...)
	b = binary.LittleEndian.AppendUint32(b, uint32(len(payload)))
	b = binary.LittleEndian.AppendUint32(b, sum(payload))
	b = binary.LittleEndian.AppendUint32(b, sum(b[start:]))
	return append(b, payload...)
}

// damage is a place in a file that does not have what was written there.
type damage struct {
	path   string
	offset int
	what   string
}

func (d *damage) Error() string {
	return fmt.Sprintf("%s is damaged: at offset %d: %s", d.path, d.offset, d.what)
}

// frames calls fn for each intact frame of a file, with its offset. For damage it calls report, and continues
// behind it. It returns the end of the last intact frame. An incomplete frame at the end of the file is no
// damage, since a crash leaves one.
func frames(path string, text []byte, fn func(offset int, payload []byte), report func(error)) (end int) {
	for at := 0; at < len(text); {
		size, err := frameAt(text[at:])
		switch {
		case err == nil && at+size > len(text):
			return end // left by a crash
		case err == nil:
			payload := text[at+frameHeader : at+size]
			if sum(payload) == binary.LittleEndian.Uint32(text[at+8:]) {
				fn(at, payload)
			} else {
				report(&damage{path, at, "the checksum of a frame is wrong"})
			}
			at += size
			end = at
		case len(text)-at < frameHeader && bytes.HasPrefix([]byte(frameMark), text[at:min(len(text), at+4)]):
			return end // left by a crash
		default:
			report(&damage{path, at, err.Error()})
			next := bytes.Index(text[at+1:], []byte(frameMark))
			if next < 0 {
				return len(text)
			}
			at += 1 + next
			end = at
		}
	}
	return end
}

var errNoFrame = fmt.Errorf("no frame begins here")

// frameAt returns the size of the frame at the start of text.
func frameAt(text []byte) (int, error) {
	if len(text) < frameHeader || string(text[:4]) != frameMark ||
		binary.LittleEndian.Uint32(text[12:]) != sum(text[:12]) {
		return 0, errNoFrame
	}
	size := binary.LittleEndian.Uint32(text[4:])
	if size > maxFrame {
		return 0, errNoFrame
	}
	return frameHeader + int(size), nil
}
