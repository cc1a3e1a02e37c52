package local

import (
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"
)

// maxLog is the size in bytes at which a log is rotated. An instance has two logs, the agent's and the console,
// and one old copy of each, so they take little more than four times as much.
const maxLog = 8 << 20

// logsEvery is how often the sizes of logs are checked.
const logsEvery = 10 * time.Second

// LogBytes returns how many bytes the logs of all instances take: those of agents, and consoles.
func (d *Driver) LogBytes() int64 { return d.logBytes.Load() }

// boundLogs rotates full logs and adds up the sizes of all.
func (d *Driver) boundLogs() {
	var total int64
	for _, log := range []string{"agent.log", "console.log"} {
		// Also the logs of instances that have ended and are not removed yet.
		paths, _ := filepath.Glob(filepath.Join(d.cfg.Dir, "*", log)) // the pattern is right
		for _, path := range paths {
			if err := boundLog(path); err != nil && !errors.Is(err, fs.ErrNotExist) {
				d.cfg.Logger.Warn("the log of an instance could not be put aside", "log", path, "err", err)
			}
			for _, name := range []string{path, path + ".1"} {
				if info, err := os.Stat(name); err == nil {
					total += info.Size()
				}
			}
		}
	}
	d.logBytes.Store(total)
}

// boundLog copies a full log and empties it. The process that writes to the log appends to the same file; lines written
// between the two are lost. On a full disk the log is emptied without a copy.
func boundLog(path string) error {
	info, err := os.Stat(path)
	if err != nil || info.Size() <= maxLog {
		return err
	}
	return errors.Join(copyLog(path, path+".1"), os.Truncate(path, 0))
}

func copyLog(from, to string) error {
	in, err := os.Open(from)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := os.OpenFile(to+".new", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	// If a log has grown much between two checks, only its end is kept.
	if info, err := in.Stat(); err == nil && info.Size() > 2*maxLog {
		_, _ = in.Seek(-2*maxLog, io.SeekEnd) // from the beginning, if not
	}
	_, err = io.Copy(out, io.LimitReader(in, 2*maxLog))
	if err = errors.Join(err, out.Close()); err != nil {
		return errors.Join(err, os.Remove(out.Name()))
	}
	return os.Rename(out.Name(), to)
}
