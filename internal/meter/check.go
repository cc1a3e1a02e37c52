package meter

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Check reads all files of a directory that no store has open, and calls report for each damaged place. It
// changes nothing. It returns the number of points that it could read, which is 0 for a directory that does
// not exist.
func Check(dir string, report func(error)) (points int64, err error) {
	files, err := os.ReadDir(dir)
	if errors.Is(err, fs.ErrNotExist) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	names, err := readNames(dir, false, report)
	if err != nil {
		return 0, err
	}
	for _, f := range files {
		path := filepath.Join(dir, f.Name())
		seg, log := parseSegmentName(path), parseRecentName(path)
		if seg == nil && log == nil {
			continue
		}
		text, err := os.ReadFile(path)
		if err != nil {
			return points, err
		}
		count := func(id uint32, more []point) {
			points += int64(len(more))
			if names[id] == "" {
				report(&damage{path, 0, fmt.Sprintf("the name of the metric with the number %d is lost", id)})
			}
		}
		if log != nil {
			recentBlocks(path, text, count, report)
		} else {
			checkSegment(path, text, count, report)
		}
	}
	return points, nil
}

// checkSegment reads a segment, and compares its index with its contents.
func checkSegment(path string, text []byte, count func(uint32, []point), report func(error)) {
	body := max(0, len(text)-trailerSize)
	trailer := text[body:]
	if len(trailer) < trailerSize || sum(trailer[:8]) != binary.LittleEndian.Uint32(trailer[8:]) {
		report(&damage{path, body, "the end of the file was changed"})
	}
	found, damaged := 0, false
	end := 0
	blocks(path, text[:body], func(e entry, points []point) {
		found++
		end = int(e.offset) + int(e.size)
		count(e.series, points)
	}, func(err error) {
		damaged = true
		report(err)
	})
	if damaged {
		return
	}
	if end > body || frameHeader+entrySize*found != body-end {
		report(&damage{path, end, fmt.Sprintf("after the points of %d metrics there is no index of them", found)})
	}
}
