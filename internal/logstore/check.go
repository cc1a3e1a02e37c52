package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
)

// Check reads all segments below a directory of groups that no store has open, and calls report for each stretch that holds
// no record. It returns the number of events. The unfinished end of a group's last segment is what a crash leaves, and no damage.
func Check(dir string, report func(error)) (events int64, err error) {
	paths, err := filepath.Glob(filepath.Join(dir, "*", "*.seg"))
	if err != nil {
		return 0, err
	}
	slices.Sort(paths)
	for i, path := range paths {
		last := i+1 == len(paths) || filepath.Dir(paths[i+1]) != filepath.Dir(path)
		s := &segment{path: path}
		err := s.scan()
		for _, sp := range s.streams {
			events += sp.Events
		}
		switch {
		case errors.Is(err, fs.ErrNotExist):
		case errors.Is(err, errDamaged):
			s.report(err, last, report)
		case err != nil:
			return events, err
		}
	}
	return events, nil
}

func (s *segment) report(err error, last bool, report func(error)) {
	all := []error{err}
	if joined, ok := err.(interface{ Unwrap() []error }); ok {
		all = joined.Unwrap()
	}
	for _, err := range all {
		if d, ok := errors.AsType[*damage](err); ok && last && d.from >= s.size {
			continue
		}
		report(fmt.Errorf("%s is damaged: %w", s.path, err))
	}
}
