package e2e

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// nobody is a user who has only the rights of the group docker, with a data directory.
func nobody(t *testing.T) (who *syscall.Credential, home string) {
	t.Helper()
	info, err := os.Stat("/var/run/docker.sock")
	if err != nil {
		t.Fatal(err)
	}
	docker := info.Sys().(*syscall.Stat_t).Gid
	if home, err = os.MkdirTemp("", "berth-nobody-"); err != nil { // t.TempDir is closed to others
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(home) })
	const uid = 65534
	if err := os.Chown(home, uid, uid); err != nil {
		t.Fatal(err)
	}
	return &syscall.Credential{Uid: uid, Gid: uid, Groups: []uint32{docker}}, home
}

// application makes a service behind a load balancer and waits until it answers.
func (s server) application(t *testing.T) (url string) {
	t.Helper()
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	group := s.TargetGroup(t, "app", "/", nil)
	_, url = s.Balance(t, group)
	c := container(probe, object{"environment": list{object{"name": "ANSWER", "value": "the application"}}})
	s.serve(t, "app", s.define(t, "app", c, nil), group, 2)
	s.answers(t, url)
	return url
}

func (s server) answers(t *testing.T, url string) {
	t.Helper()
	harness.Until(t, 60*time.Second, "the application answers at "+url, func() string {
		resp, err := http.Get(url)
		if err != nil {
			return err.Error()
		}
		defer resp.Body.Close()
		text, err := io.ReadAll(resp.Body)
		if err != nil || resp.StatusCode != http.StatusOK || !strings.Contains(string(text), "the application") {
			return fmt.Sprint(resp.Status, " ", string(text), err)
		}
		return ""
	})
}

// down ends everything with the command that docs/systemd.md names, and checks that nothing is left.
func (s server) down(t *testing.T) {
	t.Helper()
	s.See()
	if out, err := s.Berth("down", "--data", s.Data, "--yes"); err != nil {
		t.Fatalf("berth down: %v: %s", err, out)
	}
	s.Await(t)
	s.Leftovers().Gone(t)
}

// A user of the group docker runs the server and an application behind a load balancer, and removes all of it, as in
// docs/systemd.md, "Without root".
func TestServerWithoutRoot(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), root)
	who, home := nobody(t)
	s := server{harness.Start(t, harness.Config{
		Data: home, Edge: harness.OwnEdge, User: who, Env: []string{"HOME=" + home},
	})}
	url := s.application(t)
	t.Logf("the application answers at %s", url)
	for pid := range maps.Values(s.Agents(t)) {
		if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid)); err != nil ||
			!strings.Contains(string(status), "Uid:\t65534\t65534\t65534\t65534\n") {
			t.Errorf("the agent %d runs as another user: %s %v", pid, status, err)
		}
	}
	err := filepath.WalkDir(home, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return nil // it went meanwhile
		}
		if info, err := d.Info(); err == nil && info.Sys().(*syscall.Stat_t).Uid != who.Uid {
			t.Errorf("%s belongs to another user", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
	if out, err := s.Berth("status", "--data", home); err != nil || !strings.Contains(out, url) {
		t.Errorf("berth status: %v: %s", err, out)
	}
	s.down(t)
}

// unit returns the text of the unit in docs/systemd.md.
func unit(t *testing.T) string { return units(t)[0] }

// units returns the unit, and the unit for use without root.
func units(t *testing.T) (texts []string) {
	t.Helper()
	page, err := os.ReadFile("../../docs/systemd.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, found := range regexp.MustCompile("(?s)```ini\\n(.*?)```").FindAllSubmatch(page, -1) {
		texts = append(texts, string(found[1]))
	}
	if len(texts) != 2 {
		t.Fatalf("docs/systemd.md has %d units, this test knows of 2", len(texts))
	}
	return texts
}

// setting returns the value of a line of a unit.
func setting(t *testing.T, unit, name string) string {
	t.Helper()
	found := regexp.MustCompile(`(?m)^`+name+`=(.*)$`).FindAllStringSubmatch(unit, -1)
	if len(found) != 1 {
		t.Fatalf("the unit has %d lines %s", len(found), name)
	}
	return found[0][1]
}

// systemd accepts both forms of the unit in docs/systemd.md, with and without root.
func TestSystemdVerifiesTheUnit(t *testing.T) {
	harness.Need(t, harness.OnPath("systemd-analyze"))
	verify := func(text string) string {
		t.Helper()
		path := filepath.Join(t.TempDir(), "berth.service")
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		// it ends well at any rate
		out, _ := exec.Command("systemd-analyze", "verify", "--man=no", path).CombinedOutput()
		var about []string
		for _, line := range harness.Lines(out) {
			if strings.Contains(line, "berth.service") { // there may be lines about other units of this machine
				about = append(about, line)
			}
		}
		return strings.Join(about, "\n")
	}
	all := strings.ReplaceAll(strings.Join(units(t), "\n"), "/usr/local/bin/berth", harness.Program("berth"))
	alone, _, _ := strings.Cut(all, "# /etc/systemd/system/berth.service.d")
	for _, text := range []string{alone, all} {
		if why := verify(text); why != "" {
			t.Errorf("%s\nof the unit\n%s", why, text)
		}
	}
	if why := verify(strings.Replace(alone, "KillMode=process", "KillMode=proces", 1)); why == "" {
		t.Error("systemd-analyze finds no fault in a unit that has one")
	}
}

// The unit's command runs as systemd would run it, with its signals. A restart affects no task, since KillMode=process
// signals only the server, and neither does a server that is killed (Restart=on-failure). The server ends in time, and
// berth down ends everything.
func TestServerRunsAsTheUnit(t *testing.T) {
	harness.Need(t, harness.DockerEngine())
	text := unit(t)
	if got := strings.Fields(setting(t, text, "ExecStart")); !slices.Equal(got,
		[]string{"/usr/local/bin/berth", "server", "--data", "/var/lib/berth"}) {
		t.Fatalf("the unit starts %q, this test something else", got)
	}
	if mode, again := setting(t, text, "KillMode"), setting(t, text, "Restart"); mode != "process" ||
		again != "on-failure" {
		t.Fatalf("KillMode=%s Restart=%s: this test does something else", mode, again)
	}
	limit, err := time.ParseDuration(setting(t, text, "TimeoutStopSec") + "s")
	if err != nil {
		t.Fatal(err)
	}
	s := server{harness.Start(t, harness.Config{AsUnit: true})}
	url := s.application(t)
	running := func() map[string]string {
		found := map[string]string{}
		all, err := s.Containers()
		if err != nil {
			t.Fatal(err)
		}
		for _, c := range all {
			found[c.ID] = c.Task
		}
		return found
	}
	containers, agents := running(), s.Agents(t)
	same := func(what string) {
		t.Helper()
		if now := running(); !maps.Equal(now, containers) {
			t.Errorf("%s: the containers are %v, were %v", what, now, containers)
		}
		if now := s.Agents(t); !maps.Equal(now, agents) {
			t.Errorf("%s: the agents are %v, were %v", what, now, agents)
		}
	}
	began := time.Now()
	s.Stop(t) // it must exit with 0, or systemd would consider it failed
	if took := time.Since(began); took > limit {
		t.Errorf("it ended after %v, and is killed after %v", took, limit)
	}
	same("stopped")
	s.Run(t)
	s.answers(t, url)
	same("restarted")
	s.Kill(t)
	s.Run(t)
	s.answers(t, url)
	same("started again after it was killed")
	s.down(t)
}
