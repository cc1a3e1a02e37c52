package userdata

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"

	"mvdan.cc/sh/v3/interp"
)

// disk is the instance's file system: an os.Root, which no path leaves, and an amount that may be written.
type disk struct {
	root *os.Root
	left atomic.Int64
	full func() // called at every write that does not fit
}

func newDisk(root *os.Root, limit int64, console *limited) *disk {
	d := &disk{root: root, full: sync.OnceFunc(
		func() { console.notef("the disk is full: user data may write %d bytes", limit) })}
	d.left.Store(limit)
	return d
}

// take reports whether n more bytes may be written.
func (d *disk) take(n int) bool {
	if d.left.Add(-int64(n)) >= 0 {
		return true
	}
	d.full()
	return false
}

// prepare makes the directories and files that user data finds on an ECS-optimized image.
func (d *disk) prepare() error {
	for _, dir := range []string{"etc/ecs", "etc/systemd/system", "etc/sysctl.d", "home/ec2-user", "opt",
		"root", "tmp", "usr/local/bin",
		"var/lib/ecs/data", "var/lib/cloud/instance/scripts", "var/log/ecs"} {
		if err := d.root.MkdirAll(dir, 0o755); err != nil {
			return fmt.Errorf("instance root: %w", err)
		}
	}
	f, err := d.root.OpenFile("etc/ecs/ecs.config", os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return fmt.Errorf("instance root: %w", err)
	}
	return f.Close()
}

// rel turns a path as a script sees it into one relative to the root. Cleaning it as an absolute
// path first makes ".." stop at the root as in a real file system.
func rel(dir, name string) string {
	if !path.IsAbs(name) {
		name = path.Join(dir, name)
	}
	name = strings.TrimPrefix(path.Clean(name), "/")
	if name == "" {
		return "."
	}
	return name
}

// seen rewrites an error so that it names the path the script wrote and not ours.
func seen(op, name string, err error) error {
	var p *fs.PathError
	if errors.As(err, &p) {
		return &fs.PathError{Op: op, Path: name, Err: p.Err}
	}
	var l *os.LinkError
	if errors.As(err, &l) {
		return &fs.PathError{Op: op, Path: name, Err: l.Err}
	}
	return &fs.PathError{Op: op, Path: name, Err: err}
}

// open opens a file for the shell or a command. Files for writing count what is written.
func (d *disk) open(
	hc interp.HandlerContext, console io.Writer, name string, flag int, perm fs.FileMode,
) (io.ReadWriteCloser, error) {
	if dev := device(hc, console, rel(hc.Dir, name)); dev != nil {
		return dev, nil
	}
	f, err := d.root.OpenFile(rel(hc.Dir, name), flag, perm.Perm())
	if err != nil {
		return nil, seen("open", name, err)
	}
	if info, err := f.Stat(); err == nil && info.IsDir() && flag != os.O_RDONLY {
		f.Close()
		return nil, seen("open", name, syscall.EISDIR)
	}
	if flag&(os.O_WRONLY|os.O_RDWR) == 0 {
		return f, nil
	}
	return &countedFile{f: f, disk: d, name: name}, nil
}

func (d *disk) writeFile(name string, data []byte, perm fs.FileMode) error {
	if !d.take(len(data)) {
		return seen("write", name, syscall.ENOSPC)
	}
	return d.root.WriteFile(rel("/", name), data, perm)
}

func (d *disk) readFile(dir, name string) ([]byte, error) {
	data, err := d.root.ReadFile(rel(dir, name))
	if err != nil {
		return nil, seen("open", name, err)
	}
	return data, nil
}

func (d *disk) stat(dir, name string, follow bool) (fs.FileInfo, error) {
	if follow {
		return d.root.Stat(rel(dir, name))
	}
	return d.root.Lstat(rel(dir, name))
}

func (d *disk) readDir(dir, name string) ([]fs.DirEntry, error) {
	return fs.ReadDir(d.root.FS(), rel(dir, name))
}

// countedFile takes what is written to it from the disk's amount. It has no more methods than it
// needs, lest a writer finds a way round Write.
type countedFile struct {
	f    *os.File
	disk *disk
	name string
}

func (c *countedFile) Read(p []byte) (int, error) { return c.f.Read(p) }
func (c *countedFile) Close() error               { return c.f.Close() }

// Write is where a disk gets full.
func (c *countedFile) Write(p []byte) (int, error) {
	if !c.disk.take(len(p)) {
		return 0, seen("write", c.name, syscall.ENOSPC)
	}
	return c.f.Write(p)
}

// stream is a device: reading gives nothing.
type stream struct{ io.Writer }

func (stream) Read([]byte) (int, error) { return 0, io.EOF }
func (stream) Close() error             { return nil }

// device returns what a path below /dev stands for, or nil.
func device(hc interp.HandlerContext, console io.Writer, name string) io.ReadWriteCloser {
	switch name {
	case "dev/null":
		return stream{io.Discard}
	case "dev/stdout", "dev/fd/1", "proc/self/fd/1":
		return stream{hc.Stdout}
	case "dev/stderr", "dev/fd/2", "proc/self/fd/2":
		return stream{hc.Stderr}
	case "dev/console", "dev/tty", "dev/kmsg", "dev/ttyS0":
		return stream{console}
	}
	return nil
}

// limited is the console: many may write to it at once, up to a limit, until it is closed.
type limited struct {
	mu     sync.Mutex
	w      io.Writer
	left   int64
	closed bool
}

// Write never fails, so that a script does not end because nobody keeps more of what it says.
func (l *limited) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.closed || l.left <= 0 {
		return len(p), nil
	}
	n := min(int64(len(p)), l.left)
	l.left -= n
	l.w.Write(p[:n])
	if l.left <= 0 {
		io.WriteString(l.w, "\ncloud-init: further output is dropped\n")
	}
	return len(p), nil
}

// notef writes a line of ours; it does not count.
func (l *limited) notef(format string, args ...any) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if !l.closed {
		fmt.Fprintf(l.w, "cloud-init: "+format+"\n", args...)
	}
}

func (l *limited) close() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.closed = true
}
