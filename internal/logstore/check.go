package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
)

// Check reads all segments below a directory of groups that no store has open. It calls report for each part
// of a segment that is not a record, each segment that is missing, ends early, is a copy of another or stands
// in the place of another, each list or mark that cannot be read, and each group whose directory is missing.
// It returns the number of events. The unfinished end of a group's last segment is no damage, since a crash
// leaves one. In groups that only an earlier version without lists has written to, missing segments and ends
// are not found.
func Check(dir string, report func(error)) (events int64, err error) {
	groups, err := groupIDs(dir)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return 0, err
	}
	c := checker{report: report, salts: make(map[string]string)}
	for _, id := range groups {
		if err := c.group(filepath.Join(dir, id)); err != nil {
			return c.events, err
		}
	}
	return c.events, nil
}

type checker struct {
	report func(error)
	events int64
	salts  map[string]string // by salt, the file that has it; a copy has the salt of another file

	// These are about the group that is being checked.
	list []listed
	mark mark
	last uint64 // the highest sequence number so far
	from string // the file with that number
}

func (c *checker) group(dir string) error {
	paths, err := filepath.Glob(filepath.Join(dir, "*.seg"))
	if err != nil {
		return err
	}
	c.list, c.mark, c.last, c.from = nil, mark{}, 0, ""
	marker, err := hasMarker(dir)
	if err != nil {
		return err
	}
	if marker && !isDir(dir) {
		c.report(noDirectory(dir))
		return nil
	}
	if !c.metadata(dir, marker) && len(paths) == 0 {
		return nil
	}
	for _, l := range c.list {
		if path := l.path(dir); !slices.Contains(paths, path) {
			c.report(missing(l, path))
		}
	}
	slices.Sort(paths)
	for i, path := range paths {
		if err := c.segment(path, i == len(paths)-1); err != nil {
			return err
		}
	}
	return nil
}

func missing(l listed, path string) error {
	if l == lostDirectory {
		return fmt.Errorf("%s was missing once: the events that it had are lost", filepath.Dir(path))
	}
	if l.Size == 0 {
		return fmt.Errorf("%s is missing: it had the events from number %d on", path, l.First)
	}
	return fmt.Errorf("%s is missing: it had %d bytes, with the events of numbers %d to %d", path,
		l.Size, l.First, l.Last)
}

// metadata reads the list and the mark, and reports whether there is any. A group with a marker has both.
func (c *checker) metadata(dir string, marker bool) bool {
	var listErr, markErr error
	c.list, listErr = readList(dir)
	c.mark, markErr = readMark(dir)
	noList, noMark := errors.Is(listErr, fs.ErrNotExist), errors.Is(markErr, fs.ErrNotExist)
	switch {
	case listErr != nil && !noList:
		c.report(listErr)
	case noList && (!noMark || marker):
		c.report(fmt.Errorf("%s is missing: it names the segments of the group", filepath.Join(dir, listFile)))
	}
	switch {
	case markErr != nil && !noMark:
		c.report(markErr)
	case noMark && (!noList && len(c.list) > 0 || marker):
		c.report(fmt.Errorf("%s is missing: it says how long the last segment is", filepath.Join(dir, markFile)))
	}
	return !noList || !noMark
}

// segment reads a file and compares it with the list.
func (c *checker) segment(path string, last bool) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	head, err := readHead(f)
	switch {
	case errors.Is(err, errDamaged) && last && info.Size() < int64(len(magic)+saltSize) && c.entry(path) == nil:
		return nil // left by a crash before its head was written
	case errors.Is(err, errDamaged):
		c.report(fmt.Errorf("%s is damaged: at offset 0: %w", path, err))
		return nil
	case err != nil:
		return err
	}
	l := c.entry(path)
	placed := c.place(path, head, l)
	end, disorder := head.size, false
	err = records(f, info.Size(), func(b *batch, next int64) error {
		c.events += int64(len(b.events))
		start, first := next-b.size, b.first
		end = next
		past := first + uint64(len(b.events)) - 1
		switch {
		case !placed || disorder:
		case first <= c.last:
			c.report(fmt.Errorf("%s is damaged: at offset %d: the events of numbers %d to %d do not come "+
				"after number %d, which %s has: they are "+
				"doubled or in the wrong place", path, start, first, past, c.last, c.from))
			disorder = true
		case l != nil && (first < l.First || l.Last > 0 && past > l.Last):
			c.report(fmt.Errorf("%s is damaged: at offset %d: the events of numbers %d to %d are not "+
				"of this segment", path, start, first, past))
			disorder = true
		}
		if placed && past > c.last {
			c.last, c.from = past, path
		}
		return nil
	})
	if err != nil && !errors.Is(err, errDamaged) {
		return err
	}
	want := c.size(path, l)
	cut := placed && info.Size() < want
	for _, d := range stretches(err) {
		switch {
		case cut && d.to == info.Size(): // reported below
		case last && d.from >= max(end, want): // left by a crash
		default:
			c.report(fmt.Errorf("%s is damaged: %w", path, d))
		}
	}
	if cut {
		c.report(fmt.Errorf("%s is damaged: at offset %d: the file ends here and had %d bytes",
			path, info.Size(), want))
	}
	return nil
}

// entry returns the list's entry of a file, or nil.
func (c *checker) entry(path string) *listed {
	for i := range c.list {
		if c.list[i].path(filepath.Dir(path)) == path {
			return &c.list[i]
		}
	}
	return nil
}

// size returns how many bytes a file must have at least.
func (c *checker) size(path string, l *listed) (size int64) {
	if l != nil {
		size = l.Size
	}
	if path == segmentPath(filepath.Dir(path), c.mark.id) {
		size = max(size, c.mark.end)
	}
	return size
}

// place reports whether a file is the one that was written under its name.
func (c *checker) place(path string, head fileHead, l *listed) bool {
	if head.salt == "" {
		return true
	}
	of, seen := c.salts[head.salt]
	if !seen {
		c.salts[head.salt] = path
	}
	for _, other := range c.list {
		if of == "" && other.Salt == head.salt {
			of = other.path(filepath.Dir(path))
		}
	}
	switch {
	case l != nil && l.Salt == head.salt, l == nil && of == "":
		return true
	case of == "":
		of = "a segment that the group does not have"
	}
	c.report(fmt.Errorf("%s is damaged: at offset %d: it is a copy of, or stands in the place of, %s",
		path, len(magic), of))
	return false
}

// stretches returns the parts of a file that are not records, from the error of records.
func stretches(err error) (all []*damage) {
	joined, ok := err.(interface{ Unwrap() []error })
	if !ok {
		return nil
	}
	for _, err := range joined.Unwrap() {
		if d, ok := errors.AsType[*damage](err); ok {
			all = append(all, d)
		}
	}
	return all
}
