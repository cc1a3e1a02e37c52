package image

import (
	"bytes"
	"debug/elf"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"strings"
)

// File is one entry of a layer. It is a symbolic link if Target is set, a directory if Mode says so, or else a
// regular file with the content of Source, a path on this machine, or of Content if Source is empty.
type File struct {
	Path    string // in the image
	Mode    fs.FileMode
	Source  string
	Content []byte
	Target  string
}

// Dir returns an empty directory.
func Dir(path string, mode fs.FileMode) File { return File{Path: path, Mode: mode | fs.ModeDir} }

// certificates is where Debian and most other systems keep the root certificates of TLS clients.
const certificates = "/etc/ssl/certs/ca-certificates.crt"

// Base returns what programs expect of any machine: /tmp, two users, and this machine's root certificates if it
// has any.
func Base() []File {
	files := []File{
		Dir("/tmp", 0o777|fs.ModeSticky),
		{Path: "/etc/passwd", Mode: 0o644,
			Content: []byte("root:x:0:0:root:/:/sbin/nologin\nnobody:x:65534:65534:nobody:/:/sbin/nologin\n")},
		{Path: "/etc/group", Mode: 0o644, Content: []byte("root:x:0:\nnobody:x:65534:\n")},
		{Path: "/etc/nsswitch.conf", Mode: 0o644, Content: []byte("hosts: files dns\n")},
	}
	if _, err := os.Stat(certificates); err == nil {
		files = append(files, File{Path: certificates, Mode: 0o644, Source: certificates})
	}
	return files
}

// Binary returns a statically linked program at a path of the image. It is an error if the program is
// dynamically linked, since it could not start without its libraries; use Program for it.
func Binary(source, at string) ([]File, error) {
	f, err := elf.Open(source)
	if err != nil {
		return nil, fmt.Errorf("%s is not a program: %w", source, err)
	}
	defer f.Close()
	for _, p := range f.Progs {
		if p.Type == elf.PT_INTERP {
			return nil, fmt.Errorf("%s is dynamically linked and would not start in an image of its own: "+
				"build it with CGO_ENABLED=0", source)
		}
	}
	return []File{{Path: at, Mode: 0o755, Source: source}}, nil
}

// Tree returns a directory of this machine, with everything below it, at a path of the image. Links stay links;
// sockets, pipes and devices are errors.
func Tree(dir, at string) ([]File, error) {
	var files []File
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		info, err := e.Info()
		if err != nil {
			return err
		}
		f := File{Path: path.Join("/", at, filepath.ToSlash(rel)), Mode: info.Mode()}
		switch {
		case info.Mode().IsRegular():
			f.Source = p
		case info.Mode()&fs.ModeSymlink != 0:
			if f.Target, err = os.Readlink(p); err != nil {
				return err
			}
		case !info.IsDir():
			return fmt.Errorf("%s is neither file, directory nor link", p)
		}
		files = append(files, f)
		return nil
	})
	return files, err
}

// Program returns a program of this machine at its own path, with the shared libraries and the loader that it
// needs.
func Program(source string) ([]File, error) {
	source, err := filepath.Abs(source)
	if err != nil {
		return nil, err
	}
	files := []File{{Path: source, Mode: 0o755, Source: source}}
	if _, err := Binary(source, source); err == nil {
		return files, nil
	}
	var stderr bytes.Buffer
	cmd := exec.Command("ldd", source)
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("libraries of %s: %w: %s", source, err, strings.TrimSpace(stderr.String()))
	}
	libs, err := parseLdd(string(out))
	if err != nil {
		return nil, fmt.Errorf("libraries of %s: %w", source, err)
	}
	for _, lib := range libs {
		files = append(files, File{Path: lib, Mode: 0o755, Source: lib})
	}
	return files, nil
}

// parseLdd returns the paths in lines such as "libc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 (0x…)" and
// "/lib64/ld-linux-x86-64.so.2 (0x…)".
func parseLdd(out string) ([]string, error) {
	var libs []string
	for line := range strings.Lines(out) {
		name, at, found := strings.Cut(strings.TrimSpace(line), " => ")
		if !found {
			at = name
		}
		if strings.HasPrefix(at, "not found") {
			return nil, fmt.Errorf("%s is not on this machine", name)
		}
		if at, _, _ = strings.Cut(at, " ("); strings.HasPrefix(at, "/") {
			libs = append(libs, at)
		}
	}
	return libs, nil
}

// Node returns the Node.js runtime of this machine at its own path: the program, its libraries, and the parts
// of its standard library that distributions such as Debian install as separate files. An empty path means the
// node on PATH.
func Node(path string) ([]File, error) {
	if path == "" {
		found, err := exec.LookPath("node")
		if err != nil {
			return nil, fmt.Errorf("node is not on PATH: %w", err)
		}
		path = found
	}
	real, err := filepath.EvalSymlinks(path)
	if err != nil {
		return nil, err
	}
	files, err := Program(real)
	if err != nil {
		return nil, err
	}
	if real != path {
		files = append(files, File{Path: path, Target: real})
	}
	out, err := exec.Command(path, "-p", "process.config.variables.node_builtin_shareable_builtins || ''").Output()
	if err != nil {
		return nil, fmt.Errorf("ask %s for the files of its standard library: %w", path, err)
	}
	for part := range strings.FieldsFuncSeq(string(out),
		func(r rune) bool { return strings.ContainsRune(",[]' \n", r) }) {
		if _, err := os.Stat(part); filepath.IsAbs(part) && !errors.Is(err, fs.ErrNotExist) {
			files = append(files, File{Path: part, Mode: 0o644, Source: part})
		}
	}
	return files, nil
}
