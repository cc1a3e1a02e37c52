package meter

import (
	"encoding/binary"
	"errors"
	"os"
	"path/filepath"
)

// nameFiles are two copies of the list of series. It has a frame for each series, with its number and its
// key. A frame that is damaged in one copy is read from the other.
var nameFiles = []string{"names", "names.copy"}

// readNames returns the keys of series by their numbers. If cut is true, it removes an incomplete end that a
// crash has left.
func readNames(dir string, cut bool, report func(error)) (map[uint32]string, error) {
	names := make(map[uint32]string)
	for _, name := range nameFiles {
		path := filepath.Join(dir, name)
		text, err := os.ReadFile(path)
		if ignoreMissing(err) != nil {
			return nil, err
		}
		end := frames(path, text, func(offset int, payload []byte) {
			if len(payload) > 4 {
				if _, _, err := parseKey(payload[4:]); err == nil {
					names[binary.LittleEndian.Uint32(payload)] = string(payload[4:])
				}
			}
		}, report)
		if cut && end < len(text) {
			if err := os.Truncate(path, int64(end)); err != nil {
				return nil, err
			}
		}
	}
	return names, nil
}

func appendName(b []byte, series uint32, key string) []byte {
	return appendFrame(b, append(binary.LittleEndian.AppendUint32(nil, series), key...))
}

// appendNames makes names durable, in both copies.
func appendNames(dir string, text []byte) error {
	var errs []error
	for _, name := range nameFiles {
		f, err := os.OpenFile(filepath.Join(dir, name), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
		if err != nil {
			return err
		}
		_, err = f.Write(text)
		errs = append(errs, err, durable(f), f.Close())
	}
	return errors.Join(errs...)
}

// namesText returns the contents of a file with these names.
func namesText(names map[uint32]string) (text []byte) {
	for series, key := range names {
		text = appendName(text, series, key)
	}
	return text
}

// writeNames replaces both copies.
func writeNames(dir string, text []byte) error {
	for _, name := range nameFiles {
		path := filepath.Join(dir, name)
		if err := writeFile(path+".new", text); err != nil {
			return err
		}
		if err := os.Rename(path+".new", path); err != nil {
			return err
		}
	}
	return syncDir(dir)
}

func writeFile(path string, text []byte) error {
	f, err := os.OpenFile(path, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = f.Write(text)
	return errors.Join(err, durable(f), f.Close())
}
