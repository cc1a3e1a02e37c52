// Package userdata runs the user data of an instance that has no machine of its own. A shell script
// is interpreted here, in Go, with the instance's root directory as its whole file system:
// /etc/ecs/ecs.config is a file below that directory, and nothing else of the host can be read,
// written or executed. Shell language and builtins are complete (mvdan.cc/sh); of the programs a
// machine image would bring along, only those of the table in commands.go exist, and every other
// one is "command not found", after which the script continues, as in bash.
//
// The instance's console gets what a script prints, and a message for each thing that is left out. A script
// ends after Limits.Time. It can write at most Limits.Disk, and its output beyond Limits.Output is dropped,
// with a note. Memory is not bounded.
//
// User data comes as cloud-init takes it: a script that begins with "#!", or a MIME multi-part of
// those, each perhaps gzipped. cloud-config and the other kinds are refused by name on the console.
package userdata

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"mime"
	"mime/multipart"
	"net/mail"
	"os"
	"strings"
	"time"
)

// Instance is what a script can learn of the machine it believes to be on.
type Instance struct {
	ID       string
	Hostname string
	Region   string
}

// Limits bound one run of user data. Zero values mean the defaults.
type Limits struct {
	Time   time.Duration // default one minute
	Output int64         // bytes on the console, default 256 KiB
	Disk   int64         // bytes written to files, default 64 MiB
}

func (l Limits) orDefault() Limits {
	if l.Time <= 0 {
		l.Time = time.Minute
	}
	if l.Output <= 0 {
		l.Output = 256 << 10
	}
	if l.Disk <= 0 {
		l.Disk = 64 << 20
	}
	return l
}

// maxSize is EC2's limit for user data, before base64 and after gzip was undone many times over.
const maxSize = 1 << 20

// Decode undoes the API's base64. Text that is no base64 is taken as it is: EC2 refuses it, callers
// check that before they store it.
func Decode(s string) []byte {
	b, err := base64.StdEncoding.DecodeString(s)
	if err != nil {
		return []byte(s)
	}
	return b
}

// Run runs user data with root as the instance's file system and writes what happens to console.
// tmp is a directory of the host for the named pipes of process substitution. The error says that
// the run itself was not possible; a script that fails is no error: as on EC2 the instance lives
// on, and the console tells.
func Run(
	ctx context.Context, root *os.Root, tmp string, data []byte, in Instance, limits Limits, console io.Writer,
) error {
	limits = limits.orDefault()
	ctx, cancel := context.WithTimeoutCause(ctx, limits.Time,
		fmt.Errorf("user data ran longer than %v and was ended", limits.Time))
	defer cancel()
	out := &limited{w: console, left: limits.Output}
	defer out.close()
	m := &machine{disk: newDisk(root, limits.Disk, out), tmp: tmp, in: in, console: out}
	if err := m.disk.prepare(); err != nil {
		return err
	}
	parts, err := split(data)
	if err != nil {
		out.notef("user data was not run: %v", err)
		return nil
	}
	for i, p := range parts {
		m.part(ctx, p, fmt.Sprintf("part-%03d", i+1))
	}
	return nil
}

// part runs one piece of user data.
func (m *machine) part(ctx context.Context, p part, name string) {
	if why := p.refusal(); why != "" {
		m.console.notef("%s was not run: %s", name, why)
		return
	}
	path := "/var/lib/cloud/instance/scripts/" + name
	if err := m.disk.writeFile(path, p.data, 0o700); err != nil {
		m.console.notef("%s was not run: %v", name, err)
		return
	}
	if err := m.script(ctx, path, p.data); err != nil {
		m.console.notef("%s failed: %v", name, err)
		return
	}
	m.console.notef("%s finished", name)
}

// part is one piece of user data with its MIME type, "" when none was given.
type part struct {
	mime string
	data []byte
}

// refusal says why the piece cannot be run, or "".
func (p part) refusal() string {
	first, _, _ := bytes.Cut(p.data, []byte("\n"))
	line := strings.TrimSpace(string(first))
	switch {
	case strings.HasPrefix(line, "#!"):
		return refuseInterpreter(line)
	case strings.HasPrefix(line, "#cloud-config"), p.mime == "text/cloud-config":
		return "cloud-config is not supported here; use a script that begins with #!/bin/bash"
	case strings.HasPrefix(line, "#"):
		return fmt.Sprintf(
			"user data of the kind %q is not supported here; use a script that begins with #!/bin/bash", line)
	case strings.HasPrefix(line, "<powershell>"), strings.HasPrefix(line, "<script>"):
		return "Windows user data is not supported"
	}
	return "unhandled user data: a script has to begin with #!"
}

func refuseInterpreter(line string) string {
	words := strings.Fields(strings.TrimPrefix(line, "#!"))
	if len(words) > 1 && strings.HasSuffix(words[0], "/env") {
		words = words[1:]
	}
	if len(words) > 0 {
		switch words[0][strings.LastIndexByte(words[0], '/')+1:] {
		case "bash", "sh", "dash":
			return ""
		}
	}
	return fmt.Sprintf("the interpreter of %q is not there; bash and sh are", line)
}

// split undoes gzip and takes a MIME multi-part apart.
func split(data []byte) ([]part, error) {
	data, err := gunzip(data)
	if err != nil {
		return nil, err
	}
	if len(bytes.TrimSpace(data)) == 0 {
		return nil, nil
	}
	lower := bytes.ToLower(data[:min(len(data), 64)])
	if !bytes.HasPrefix(lower, []byte("content-type:")) && !bytes.HasPrefix(lower, []byte("mime-version:")) {
		return []part{{data: data}}, nil
	}
	m, err := mail.ReadMessage(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("the MIME header is broken: %w", err)
	}
	kind, params, err := mime.ParseMediaType(m.Header.Get("Content-Type"))
	if err != nil {
		return nil, fmt.Errorf("the MIME type is broken: %w", err)
	}
	if !strings.HasPrefix(kind, "multipart/") {
		body, err := decodePart(m.Body, m.Header.Get("Content-Transfer-Encoding"))
		return []part{{kind, body}}, err
	}
	return multiparts(multipart.NewReader(m.Body, params["boundary"]))
}

func multiparts(r *multipart.Reader) ([]part, error) {
	var parts []part
	for {
		p, err := r.NextRawPart()
		if errors.Is(err, io.EOF) {
			return parts, nil
		}
		if err != nil {
			return nil, fmt.Errorf("the multi-part is broken: %w", err)
		}
		data, err := decodePart(p, p.Header.Get("Content-Transfer-Encoding"))
		if err != nil {
			return nil, err
		}
		kind, _, _ := mime.ParseMediaType(p.Header.Get("Content-Type"))
		parts = append(parts, part{kind, data})
	}
}

func decodePart(r io.Reader, encoding string) ([]byte, error) {
	if strings.EqualFold(strings.TrimSpace(encoding), "base64") {
		r = base64.NewDecoder(base64.StdEncoding, r)
	}
	data, err := io.ReadAll(io.LimitReader(r, maxSize))
	if err != nil {
		return nil, fmt.Errorf("a part is broken: %w", err)
	}
	return gunzip(data)
}

func gunzip(data []byte) ([]byte, error) {
	if !bytes.HasPrefix(data, []byte{0x1f, 0x8b}) {
		return data, nil
	}
	z, err := gzip.NewReader(bytes.NewReader(data))
	if err != nil {
		return nil, fmt.Errorf("broken gzip: %w", err)
	}
	plain, err := io.ReadAll(io.LimitReader(z, maxSize+1))
	if err != nil {
		return nil, fmt.Errorf("broken gzip: %w", err)
	}
	if len(plain) > maxSize {
		return nil, fmt.Errorf("more than %d bytes after unpacking", maxSize)
	}
	return plain, nil
}
