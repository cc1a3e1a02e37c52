// Package audit records who changed what: one line of JSON for each call that changes something, appended to a
// file.
//
// A line is handed to the operating system before the call is answered, so it survives a kill -9 of the server,
// but not a loss of power. Lines name the resources of a call and hold no other input, so they hold no secrets.
// The files are bounded: the current one is rotated when it is full, and the oldest one is removed. Calls with
// an invalid signature are recorded too, but only a bounded number a minute, with the number of those left out,
// so that nobody can push the record of real calls out of the files. A line is safe to print: what package
// quote would escape is written as \u in it.
//
// A Log is safe for concurrent use.
package audit

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/quote"
)

// Entry is one call.
type Entry struct {
	Time      time.Time `json:"time"`
	Principal string    `json:"principal,omitempty"` // the caller's ARN; absent when there is no valid signature
	AccessKey string    `json:"accessKey,omitempty"` // the ID of the access key that the call names
	Source    string    `json:"source"`              // the caller's network address
	Service   string    `json:"service"`
	Action    string    `json:"action"` // as the request names it, also when there is no such action
	Region    string    `json:"region,omitempty"`
	RequestID string    `json:"requestId,omitempty"`
	Status    int       `json:"status"`
	Error     string    `json:"error,omitempty"` // AWS's error code; absent when the call succeeded
	// Resources are the names, IDs and ARNs in the call's input, by member.
	Resources map[string][]string `json:"resources,omitempty"`
	// LeftOut is the number of calls without a principal left out since the last one that was recorded.
	LeftOut int `json:"leftOut,omitempty"`
}

// Limits bound the files.
type Limits struct {
	FileSize int64 // bytes after which a file is rotated; 0 is 16 MiB
	Files    int   // how many full files are kept besides the current one; 0 is 8
	// Refused is how many calls without a valid signature are recorded in a minute; 0 is 60.
	Refused int
}

// Name is the file name of the current file; full ones are Name.1 (the newest), Name.2 and so on.
const Name = "audit.jsonl"

// maxText is the most bytes of a text from the caller that are recorded.
const maxText = 256

// Log is an open audit log.
type Log struct {
	dir    string
	limits Limits

	mu      sync.Mutex // guards what follows
	file    *os.File
	size    int64
	cut     bool      // the file ends within a line, after a crash or on a full disk
	minute  time.Time // the minute that refused counts for
	refused int
	leftOut int
}

// Open opens the log in dir, and creates it if there is none.
func Open(dir string, limits Limits) (*Log, error) {
	if limits.FileSize == 0 {
		limits.FileSize = 16 << 20
	}
	if limits.Files == 0 {
		limits.Files = 8
	}
	if limits.Refused == 0 {
		limits.Refused = 60
	}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("audit: %w", err)
	}
	l := &Log{dir: dir, limits: limits}
	return l, l.open()
}

// open opens the current file. It writes nothing, so it succeeds on a full disk.
func (l *Log) open() error {
	f, err := os.OpenFile(l.path(0), os.O_CREATE|os.O_RDWR|os.O_APPEND, 0o600)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	info, err := f.Stat()
	if err != nil {
		return errors.Join(fmt.Errorf("audit: %w", err), f.Close())
	}
	last := []byte{'\n'}
	if info.Size() > 0 {
		if _, err := f.ReadAt(last, info.Size()-1); err != nil {
			return errors.Join(fmt.Errorf("audit: %w", err), f.Close())
		}
	}
	l.file, l.size, l.cut = f, info.Size(), last[0] != '\n'
	return nil
}

// path returns the path of a file; 0 is the current one.
func (l *Log) path(n int) string {
	p := filepath.Join(l.dir, Name)
	if n > 0 {
		p += "." + strconv.Itoa(n)
	}
	return p
}

// Record appends an entry. Of entries without a principal, Limits.Refused are recorded in a minute.
func (l *Log) Record(e Entry) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return fs.ErrClosed
	}
	if e.Principal == "" && !l.admit(&e) {
		return nil
	}
	e.clip()
	line, err := json.Marshal(e)
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	line = quote.JSON(line)
	if l.size > 0 && l.size+int64(len(line))+1 > l.limits.FileSize {
		if err := l.rotate(); err != nil {
			return err
		}
	}
	line = append(line, '\n')
	if l.cut {
		line = append([]byte{'\n'}, line...)
	}
	n, err := l.file.Write(line)
	l.size += int64(n)
	if n > 0 {
		l.cut = line[n-1] != '\n'
	}
	if err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	return nil
}

// admit counts a refused call and reports whether to record it.
func (l *Log) admit(e *Entry) bool {
	if minute := e.Time.Truncate(time.Minute); !minute.Equal(l.minute) {
		l.minute, l.refused = minute, 0
	}
	if l.refused >= l.limits.Refused {
		l.leftOut++
		return false
	}
	l.refused++
	e.LeftOut, l.leftOut = l.leftOut, 0
	return true
}

func (l *Log) rotate() error {
	if err := l.file.Close(); err != nil {
		return fmt.Errorf("audit: %w", err)
	}
	for n := l.limits.Files - 1; n >= 0; n-- {
		if err := os.Rename(l.path(n), l.path(n+1)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return errors.Join(fmt.Errorf("audit: %w", err), l.open())
		}
	}
	return l.open()
}

// Close closes the log.
func (l *Log) Close() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.file == nil {
		return nil
	}
	err := l.file.Close()
	l.file = nil
	return err
}

func (e *Entry) clip() {
	for _, s := range []*string{&e.Principal, &e.AccessKey, &e.Service, &e.Action, &e.Region, &e.Error} {
		*s = clip(*s)
	}
	for k, values := range e.Resources {
		for i, v := range values {
			values[i] = clip(v)
		}
		e.Resources[k] = values
	}
}

func clip(s string) string {
	if len(s) > maxText {
		return strings.ToValidUTF8(s[:maxText], "") + "…"
	}
	return s
}

// Reads reports whether an action, by its name, only reads, or sends data (log events, states reported by
// agents) in amounts too large to record. Actions that hand out credentials are not among them.
func Reads(action string) bool {
	switch action {
	case "GetAuthorizationToken", "GetSessionToken", "GetFederationToken":
		return false
	case "PutLogEvents", "PutMetricData", "StartQuery", "PollForJobs":
		return true
	}
	for _, prefix := range []string{
		"Describe", "List", "Get", "BatchGet", "BatchCheck", "Discover", "Filter", "Test", "Submit",
	} {
		if strings.HasPrefix(action, prefix) {
			return true
		}
	}
	return false
}
