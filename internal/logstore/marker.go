package logstore

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

// markerSuffix ends the name of a group's marker, an empty file beside the group's directory, named by the
// group's id. It is created after the directory, its list and its mark, and removed before them, so a group
// with a marker has all three unless they were lost (decision 0313).
const markerSuffix = ".group"

func markerOf(dir string) string { return dir + markerSuffix }

func hasMarker(dir string) (bool, error) {
	_, err := os.Stat(markerOf(dir))
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	return err == nil, err
}

// writeMarker creates the group's marker if there is none.
func (g *group) writeMarker() error {
	if there, err := hasMarker(g.dir); there || err != nil {
		return err
	}
	if err := createMarker(g.dir); err != nil {
		return err
	}
	g.mu.Lock()
	closed := g.closed
	g.mu.Unlock()
	if closed { // Drop may have removed the marker before it was made
		return errors.Join(ErrClosed, removeMarker(g.dir))
	}
	return nil
}

func createMarker(dir string) error {
	f, err := os.OpenFile(markerOf(dir), os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	return errors.Join(f.Close(), syncDir(filepath.Dir(dir)))
}

func removeMarker(dir string) error {
	if err := os.Remove(markerOf(dir)); !errors.Is(err, fs.ErrNotExist) {
		return err
	}
	return nil
}

// groupIDs returns the ids of the groups that have a directory or a marker.
func groupIDs(dir string) (ids []string, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		id, marker := strings.CutSuffix(e.Name(), markerSuffix)
		if !validID(id) || e.IsDir() == marker || marker && isDir(filepath.Join(dir, id)) {
			continue
		}
		ids = append(ids, id)
	}
	return ids, nil
}

func isDir(path string) bool {
	info, err := os.Stat(path)
	return err == nil && info.IsDir()
}

// lostDirectory is the list's entry for the events that were lost with the directory.
var lostDirectory = listed{ID: 0, First: 1}

// missingDirectory reports whether the group has a marker but no directory.
func (g *group) missingDirectory() (bool, error) {
	marker, err := hasMarker(g.dir)
	return marker && !isDir(g.dir), err
}

func noDirectory(dir string) error {
	return fmt.Errorf("%s is missing: it had the events of a log group", dir)
}
