package redis

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/berthhq/berth/internal/cache"
)

// process is the redis-server of a directory. It keeps nothing in memory: it reads the directory and asks the
// process each time.
type process struct{ dir string }

func (p process) config() string { return filepath.Join(p.dir, "redis.conf") }
func (p process) data() string   { return filepath.Join(p.dir, "data") }

// answer is what a redis-server says about itself.
type answer struct {
	pid, port int
	version   string
	loading   bool // it reads its data and refuses other commands
}

// ask finds the process by its port, and reports whether it is the one of this directory.
func (p process) ask(ctx context.Context) (answer, bool) {
	info, port, ok := p.info(ctx, "")
	if !ok {
		return answer{}, false
	}
	pid, err := strconv.Atoi(info["process_id"])
	return answer{pid, port, info["redis_version"], info["loading"] == "1"}, err == nil
}

// info returns what the process says about itself: the usual sections, or those that are named.
func (p process) info(ctx context.Context, sections string) (info map[string]string, port int, ok bool) {
	address, port := p.configured()
	if port == 0 {
		return nil, 0, false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return nil, 0, false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	info, err = serverInfo(conn, sections)
	return info, port, err == nil && info["config_file"] == p.config()
}

// serverInfo sends INFO and parses the answer, lines "name:value".
func serverInfo(conn io.ReadWriter, sections string) (map[string]string, error) {
	if _, err := io.WriteString(conn, "INFO "+sections+"\r\n"); err != nil {
		return nil, err
	}
	r := bufio.NewReader(conn)
	head, err := r.ReadString('\n')
	if err != nil {
		return nil, err
	}
	size, err := strconv.Atoi(strings.TrimSpace(strings.TrimPrefix(head, "$")))
	if err != nil || size < 0 || size > 1<<20 || head[0] != '$' {
		return nil, fmt.Errorf("not a redis-server: %q", head)
	}
	body := make([]byte, size)
	if _, err := io.ReadFull(r, body); err != nil {
		return nil, err
	}
	info := make(map[string]string)
	for line := range strings.Lines(string(body)) {
		if k, v, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			info[k] = v
		}
	}
	return info, nil
}

// configured returns the address and port in the configuration file; port 0 if there is none.
func (p process) configured() (address string, port int) {
	text, err := os.ReadFile(p.config())
	if err != nil {
		return "", 0
	}
	for line := range strings.Lines(string(text)) {
		switch f := strings.Fields(line); {
		case len(f) >= 2 && f[0] == "bind":
			address = f[1]
		case len(f) == 2 && f[0] == "port":
			port, _ = strconv.Atoi(f[1])
		}
	}
	return address, port
}

// pid returns the pid of the directory's process, or 0 if it is not alive. If the pid now belongs to another
// process, the working directory differs. A zombie is not alive.
func (p process) pid() int {
	text, err := os.ReadFile(filepath.Join(p.dir, "redis.pid"))
	if err != nil {
		return 0
	}
	pid, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil || pid <= 0 {
		return 0
	}
	cwd, err := os.Readlink(fmt.Sprintf("/proc/%d/cwd", pid))
	if err != nil || cwd != p.data() {
		return 0
	}
	return pid
}

// bind is Redis's setting bind, with the address for containers if there is one.
func (c Config) bind(at netip.Addr) string {
	bind := c.Loopback.String()
	if at.IsValid() {
		bind += " -" + at.String() // the hyphen: ignore the address if it does not exist
	}
	return bind
}

// bound returns the setting bind in the configuration file.
func (p process) bound() string {
	text, err := os.ReadFile(p.config())
	if err != nil {
		return ""
	}
	for line := range strings.Lines(string(text)) {
		if bind, ok := strings.CutPrefix(line, "bind "); ok {
			return strings.TrimSpace(bind)
		}
	}
	return ""
}

// rebind makes the running process listen on other addresses, now and after its next start. Clients keep their
// connections.
func (p process) rebind(ctx context.Context, bind string) error {
	before := p.bound()
	address, port := p.configured()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return err
	}
	defer conn.Close()
	conn.SetDeadline(time.Now().Add(time.Second))
	if _, err := fmt.Fprintf(conn, "CONFIG SET bind %q\r\n", bind); err != nil {
		return err
	}
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		return err
	}
	if !strings.HasPrefix(answer, "+OK") {
		return fmt.Errorf("redis-server does not listen on %q: %s", bind, strings.TrimSpace(answer))
	}
	text, err := os.ReadFile(p.config())
	if err != nil {
		return err
	}
	// If this process is killed here, the file is the old one or the new one; both have the port of the
	// running process.
	next := p.config() + ".next"
	if err := os.WriteFile(next, bytes.Replace(text, []byte("bind "+before+"\n"), []byte("bind "+bind+"\n"),
		1), 0o600); err != nil {
		return err
	}
	return os.Rename(next, p.config())
}

func kill(pid int) error {
	if err := syscall.Kill(pid, syscall.SIGKILL); !errors.Is(err, syscall.ESRCH) {
		return err
	}
	return nil
}

// start starts the process and returns when it runs in its own session. It listens a moment later.
func (p process) start(ctx context.Context, program, bind string, port int) error {
	if err := os.MkdirAll(p.data(), 0o700); err != nil {
		return err
	}
	var conf bytes.Buffer
	fmt.Fprintf(&conf, "bind %s\nport %d\n", bind, port)
	// Protected mode would refuse containers, for whom the second address is there.
	fmt.Fprintf(&conf, "protected-mode no\ndaemonize yes\npidfile %q\nlogfile %q\ndir %q\n",
		filepath.Join(p.dir, "redis.pid"), p.log(), p.data())
	fmt.Fprint(&conf, "appendonly yes\nappendfsync everysec\nsave \"\"\n")
	if err := os.WriteFile(p.config(), conf.Bytes(), 0o600); err != nil {
		return err
	}
	os.Remove(p.log()) // so that lastWords reads the log of this start only
	cmd := exec.CommandContext(ctx, program, p.config())
	cmd.Dir = p.data()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (p process) log() string { return filepath.Join(p.dir, "redis.log") }

// complaints are words in lines that say why a redis-server ended.
var complaints = regexp.MustCompile(`(?i)\b(failed|could not|fatal|can't|bad file|unrecoverable|crash)`)

// lastWords returns the last complaint in the process's log, or "".
func (p process) lastWords() string {
	text, err := os.ReadFile(p.log())
	if err != nil {
		return ""
	}
	var last string
	for line := range strings.Lines(string(text)) {
		if _, words, ok := strings.Cut(line, " # "); ok && complaints.MatchString(words) &&
			!strings.Contains(words, "WARNING") {
			last = strings.TrimSpace(words)
		}
	}
	return last
}

// defaultPort is Redis's own.
const defaultPort = 6379

// port chooses the port of a cluster: the one it had, the one that the caller wants, Redis's own, or any free
// one.
func (d *Driver) port(cl *cache.Cluster, p process) (int, error) {
	_, had := p.configured()
	for _, port := range []int{cl.Node.Port, had, cl.WantedPort} {
		if port != 0 && d.free(port) {
			return port, nil
		}
	}
	if cl.WantedPort != 0 {
		return 0, fmt.Errorf("port %d, which was asked for, is taken on this machine", cl.WantedPort)
	}
	if d.free(defaultPort) {
		return defaultPort, nil
	}
	for range 20 {
		l, err := net.Listen("tcp", netip.AddrPortFrom(d.cfg.Loopback, 0).String())
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if d.free(port) {
			return port, nil
		}
	}
	return 0, errors.New("no free port was found")
}

// free reports whether nobody listens on a port at the addresses of caches. It ignores addresses that do not
// exist.
func (d *Driver) free(port int) bool {
	for _, a := range []netip.Addr{d.cfg.Loopback, d.cfg.containers()} {
		if !a.IsValid() {
			continue
		}
		l, err := net.Listen("tcp", netip.AddrPortFrom(a, uint16(port)).String())
		if errors.Is(err, syscall.EADDRNOTAVAIL) {
			continue
		}
		if err != nil {
			return false
		}
		l.Close()
	}
	return true
}
