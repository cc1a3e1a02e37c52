package docker

import (
	"context"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"github.com/moby/moby/client"
)

// SetHosts writes between these lines.
const (
	hostsBegin = "# Names that Berth adds while the container runs"
	hostsEnd   = "# End of the names that Berth adds"
)

// maxHosts is the largest hosts file in bytes; a container may write anything into it.
const maxHosts = 1 << 20

// SetHosts changes the file that the engine has mounted at the container's /etc/hosts. It needs an engine on
// this machine and the right to write its files. The file is written in place, since a new file with the same
// name would not be mounted.
func (e *Engine) SetHosts(ctx context.Context, id string, made, want []string) error {
	r, err := e.api.ContainerInspect(ctx, id, client.ContainerInspectOptions{})
	if err != nil {
		return wrap(err)
	}
	path := r.Container.HostsPath
	if path == "" {
		return nil
	}
	f, err := os.OpenFile(path, os.O_RDWR, 0)
	if err != nil {
		return fmt.Errorf("/etc/hosts of container %.12s: %w", id, err)
	}
	defer f.Close()
	old, err := io.ReadAll(io.LimitReader(f, maxHosts+1))
	if err != nil {
		return err
	}
	if len(old) > maxHosts {
		return fmt.Errorf("/etc/hosts of container %.12s is larger than %d bytes", id, maxHosts)
	}
	next := rewriteHosts(string(old), made, want)
	if next == string(old) {
		return nil
	}
	// First overwrite the old text with empty lines, so that readers never see half a line.
	padded := next + strings.Repeat("\n", max(0, len(old)-len(next)))
	if _, err := f.WriteAt([]byte(padded), 0); err != nil {
		return err
	}
	return f.Truncate(int64(len(next)))
}

// rewriteHosts returns the text of a hosts file in which the names of want resolve, and names of made and of an
// earlier call only if they are in want. All other lines stay.
func rewriteHosts(text string, made, want []string) string {
	var out strings.Builder
	ours := false
	for line := range strings.Lines(text) {
		switch trimmed := strings.TrimSpace(line); {
		case trimmed == hostsBegin:
			ours = true
		case trimmed == hostsEnd:
			ours = false
		case ours || slices.Contains(made, asEntry(trimmed)) && !slices.Contains(want, asEntry(trimmed)):
		default:
			out.WriteString(strings.TrimRight(line, "\n") + "\n")
		}
	}
	late := slices.DeleteFunc(slices.Clone(want),
		func(w string) bool { return slices.Contains(made, w) && hasEntry(out.String(), w) })
	if len(late) == 0 {
		return out.String()
	}
	out.WriteString(hostsBegin + "\n")
	for _, w := range late {
		name, address, _ := strings.Cut(w, ":")
		out.WriteString(address + "\t" + name + "\n")
	}
	out.WriteString(hostsEnd + "\n")
	return out.String()
}

// asEntry returns a line of a hosts file with one name as "name:address".
func asEntry(line string) string {
	f := strings.Fields(line)
	if len(f) != 2 {
		return ""
	}
	return f[1] + ":" + f[0]
}

func hasEntry(text, entry string) bool {
	for line := range strings.Lines(text) {
		if asEntry(line) == entry {
			return true
		}
	}
	return false
}
