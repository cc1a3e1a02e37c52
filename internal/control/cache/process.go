package cache

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

// process is the redis-server of a directory. Everything is read from the directory and from the process each time.
type process struct{ dir string }

func (p process) config() string { return filepath.Join(p.dir, "redis.conf") }
func (p process) data() string   { return filepath.Join(p.dir, "data") }

// answer is what a redis-server says of itself.
type answer struct {
	pid, port int
	version   string
}

// ask finds the process by its port and reports whether it is this directory's.
func (p process) ask(ctx context.Context) (answer, bool) {
	address, port := p.configured()
	if port == 0 {
		return answer{}, false
	}
	ctx, cancel := context.WithTimeout(ctx, time.Second)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "tcp", net.JoinHostPort(address, strconv.Itoa(port)))
	if err != nil {
		return answer{}, false
	}
	defer conn.Close()
	deadline, _ := ctx.Deadline()
	conn.SetDeadline(deadline)
	info, err := serverInfo(conn)
	if err != nil || info["config_file"] != p.config() {
		return answer{}, false
	}
	pid, err := strconv.Atoi(info["process_id"])
	return answer{pid, port, info["redis_version"]}, err == nil
}

// serverInfo sends INFO and reads the lines of the answer, "name:value" each.
func serverInfo(conn io.ReadWriter) (map[string]string, error) {
	if _, err := io.WriteString(conn, "INFO server\r\n"); err != nil {
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

// configured reads address and port back from the configuration; port 0 when there is none.
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

// pid is the number of the directory's process, or 0 when it does not live. A number that has gone to another process is known by
// that one's working directory; one that only waits to be collected does not live.
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

// bind is what Redis is told to listen on, with the address for containers if there is one.
func (c Config) bind(at netip.Addr) string {
	bind := c.Loopback.String()
	if at.IsValid() {
		bind += " -" + at.String() // the hyphen: go on without it when the address does not exist
	}
	return bind
}

// bound reads back from the configuration what the process was told to listen on.
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

// rebind has the running process listen on other addresses, now and when it is started again. Clients keep their connections.
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
	// A server killed half-way leaves the old file or the new one, both with the port that the process goes on with.
	next := p.config() + ".next"
	if err := os.WriteFile(next, bytes.Replace(text, []byte("bind "+before+"\n"), []byte("bind "+bind+"\n"), 1), 0o600); err != nil {
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

// start starts the process and returns when it has left for its own session; it listens a moment later.
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
	os.Remove(p.log()) // so that lastWords tells of this start
	cmd := exec.CommandContext(ctx, program, p.config())
	cmd.Dir = p.data()
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w: %s", program, err, strings.TrimSpace(string(out)))
	}
	return nil
}

func (p process) log() string { return filepath.Join(p.dir, "redis.log") }

// complaints are words of lines that say why a redis-server ended.
var complaints = regexp.MustCompile(`(?i)\b(failed|could not|fatal|can't|bad file|unrecoverable|crash)`)

// lastWords is the last complaint in the process's log, "" when it has none.
func (p process) lastWords() string {
	text, err := os.ReadFile(p.log())
	if err != nil {
		return ""
	}
	var last string
	for line := range strings.Lines(string(text)) {
		if _, words, ok := strings.Cut(line, " # "); ok && complaints.MatchString(words) && !strings.Contains(words, "WARNING") {
			last = strings.TrimSpace(words)
		}
	}
	return last
}

// defaultPort is Redis's own.
const defaultPort = 6379

// port chooses the port of a cluster: the one it had, the one that was asked for, Redis's own, or one that is free.
func (c *Controller) port(cl *cache.Cluster, p process) (int, error) {
	_, had := p.configured()
	for _, port := range []int{cl.Node.Port, had, cl.WantedPort} {
		if port != 0 && c.free(port) {
			return port, nil
		}
	}
	if cl.WantedPort != 0 {
		return 0, fmt.Errorf("port %d, which was asked for, is taken on this machine", cl.WantedPort)
	}
	if c.free(defaultPort) {
		return defaultPort, nil
	}
	for range 20 {
		l, err := net.Listen("tcp", netip.AddrPortFrom(c.cfg.Loopback, 0).String())
		if err != nil {
			return 0, err
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		if c.free(port) {
			return port, nil
		}
	}
	return 0, errors.New("no free port was found")
}

// free reports whether nobody listens on a port of the caches' addresses. An address that does not exist is no obstacle.
func (c *Controller) free(port int) bool {
	for _, a := range []netip.Addr{c.cfg.Loopback, c.cfg.containers()} {
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
