package chaos

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// modules is where the real socket.io-client is.
const modules = "../e2e/js"

// person is a real Socket.IO client in the chat.
type person struct {
	t     *testing.T
	input io.WriteCloser

	mu   sync.Mutex // guards seen
	seen []happening
}

type happening struct{ What, Value string }

// enter lets a person enter the chat at one server, and waits until they have joined.
func enter(t *testing.T, url, name string) *person {
	t.Helper()
	dir, err := filepath.Abs(modules)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("node", "testdata/person.mjs", dir, url, name)
	cmd.Stderr = os.Stderr
	p := &person{t: t}
	if p.input, err = cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	read := make(chan struct{})
	go func() { defer close(read); p.read(out) }()
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have ended
		<-read
		_ = cmd.Wait()
	})
	p.hears(20*time.Second, "connect", "")
	return p
}

func (p *person) read(out io.Reader) {
	for lines := bufio.NewScanner(out); lines.Scan(); {
		var h happening
		if json.Unmarshal(lines.Bytes(), &h) == nil {
			p.mu.Lock()
			p.seen = append(p.seen, h)
			p.mu.Unlock()
		}
	}
}

func (p *person) count(what, value string) (n int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, h := range p.seen {
		if h.What == what && strings.Contains(h.Value, value) {
			n++
		}
	}
	return n
}

func (p *person) hears(within time.Duration, what, value string) {
	p.t.Helper()
	harness.Until(p.t, within, fmt.Sprintf("%s %q is heard", what, value), func() string {
		if p.count(what, value) > 0 {
			return ""
		}
		p.mu.Lock()
		defer p.mu.Unlock()
		return fmt.Sprintf("heard %v", p.seen)
	})
}

func (p *person) says(text string) {
	p.t.Helper()
	if _, err := io.WriteString(p.input, text+"\n"); err != nil {
		p.t.Fatal(err)
	}
}

// addresses returns the URL of each task of the service.
func (k stack) addresses(t *testing.T) (urls []string) {
	t.Helper()
	var arns struct{ TaskArns []string }
	k.Call(t, "ecs", "ListTasks", object{"cluster": cluster, "serviceName": service}, &arns)
	var out struct {
		Tasks []struct {
			Containers []struct {
				NetworkBindings []struct {
					BindIP   string
					HostPort int
				}
			}
		}
	}
	k.Call(t, "ecs", "DescribeTasks", object{"cluster": cluster, "tasks": arns.TaskArns}, &out)
	for _, x := range out.Tasks {
		for _, b := range x.Containers[0].NetworkBindings {
			urls = append(urls, fmt.Sprintf("http://%s:%d", b.BindIP, b.HostPort))
		}
	}
	return urls
}

// cache makes the Redis of the test and waits until it is available.
func (k stack) cache(t *testing.T) (endpoint string) {
	t.Helper()
	k.Ask(t, "elasticache", "CreateCacheCluster", form{"CacheClusterId": "meeting", "Engine": "redis",
		"CacheNodeType": "cache.t3.micro", "NumCacheNodes": "1"})
	harness.Until(t, 30*time.Second, "the cache is available", func() string {
		d, err := k.Query("elasticache", "DescribeCacheClusters",
			form{"CacheClusterId": "meeting", "ShowCacheNodeInfo": "true"})
		if err != nil {
			return err.Error()
		}
		if status := d.First("CacheClusterStatus"); status != "available" {
			return status
		}
		endpoint = net.JoinHostPort(d.First("Address"), d.First("Port"))
		return ""
	})
	return endpoint
}

// redisProcess returns the redis-server of the test's cache.
func (k stack) redisProcess(t *testing.T) int {
	t.Helper()
	for _, p := range k.Leftovers().Processes() {
		pid, about, _ := strings.Cut(p, " ")
		if strings.Contains(about, "redis-server") {
			var n int
			if _, err := fmt.Sscan(pid, &n); err != nil {
				t.Fatal(err)
			}
			return n
		}
	}
	t.Fatal("no redis-server runs")
	return 0
}

// togetherAgain waits until a message of one person reaches another, who is at another server. It sends the message
// again and again, because messages that are sent while Redis is down reach only people at the same server.
func togetherAgain(t *testing.T, one, other *person, word string) {
	t.Helper()
	said, tick := 0, time.NewTicker(200*time.Millisecond)
	defer tick.Stop()
	harness.Until(t, 40*time.Second, "the servers have found each other again", func() string {
		if other.count("message", word) > 0 {
			return ""
		}
		select {
		case <-tick.C:
			said++
			one.says(fmt.Sprintf("%s %d", word, said))
		default:
		}
		return fmt.Sprintf("%d messages have not arrived", said)
	})
}

// Redis is killed, and later deleted and created again. People at the same server still get each other's messages,
// nobody is disconnected, and the servers connect with each other again by themselves.
func TestRedisGone(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("redis-server"), harness.Packages(modules))
	k := launch(t, harness.Start(t, harness.Config{}), 2)
	k.register(t, "chat", k.Push(t, "chat"), 3000, object{"name": "REDIS_ENDPOINT", "value": "redis://" + k.cache(t)})
	k.Connected(t, cluster, 2)
	k.balanced(t, "chat", 3000, 2, "/socket.io/socket.io.js")
	k.See()
	at := k.addresses(t)
	if len(at) != 2 {
		t.Fatalf("the tasks are at %q", at)
	}
	ada, bob, cyd := enter(t, at[0], "Ada"), enter(t, at[0], "Bob"), enter(t, at[1], "Cyd")
	ada.says("hello")
	for _, p := range []*person{ada, bob, cyd} {
		p.hears(10*time.Second, "message", "hello")
	}

	if err := syscall.Kill(k.redisProcess(t), syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	ada.says("just us")
	bob.hears(10*time.Second, "message", "just us")
	togetherAgain(t, ada, cyd, "back")
	togetherAgain(t, cyd, bob, "here")

	k.Ask(t, "elasticache", "DeleteCacheCluster", form{"CacheClusterId": "meeting"})
	harness.Until(t, 20*time.Second, "the cache is gone", func() string {
		d, err := k.Query("elasticache", "DescribeCacheClusters", form{})
		if err == nil && len(d.All("CacheClusterId")) == 0 {
			return ""
		}
		return fmt.Sprint(string(d), err)
	})
	bob.hears(20*time.Second, "redis", "false")
	for i := range 5 {
		word := fmt.Sprintf("alone %d", i)
		ada.says(word)
		bob.hears(10*time.Second, "message", word)
	}
	if n := cyd.count("message", "alone"); n != 0 {
		t.Errorf("%d messages reached the other server without Redis", n)
	}
	k.cache(t)
	togetherAgain(t, cyd, ada, "again")
	togetherAgain(t, ada, cyd, "fine")
	for name, p := range map[string]*person{"Ada": ada, "Bob": bob, "Cyd": cyd} {
		if p.count("disconnect", "") > 0 || p.count("connect", "") != 1 {
			t.Errorf("%s was disconnected: %v", name, p.seen)
		}
	}
}
