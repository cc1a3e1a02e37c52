package cli

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/blueprint"
)

// invoke runs a command and returns its exit code, output and messages.
func invoke(t *testing.T, args ...string) (code int, out, messages string) {
	t.Helper()
	var o, e strings.Builder
	code = run(t.Context(), args, streams{strings.NewReader(""), &o, &e})
	return code, o.String(), e.String()
}

const someStack = "testdata/stack.json"

// A simulation of a file needs no server. Its output is the same for the same seed, and it is also written as a page
// and a picture.
func TestSimulateFile(t *testing.T) {
	dir := t.TempDir()
	page, picture := filepath.Join(dir, "a.html"), filepath.Join(dir, "a.svg")
	load := filepath.Join(dir, "load.csv")
	if err := os.WriteFile(load, []byte("time,prod/chat\n0,10\n2h,40\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"simulate", "--stack", someStack, "--load", load, "--cost", "cpu=5ms", "--reserved", "1,2"}
	code, first, messages := invoke(t, append(args, "--out", page)...)
	if code != 0 || messages != "" {
		t.Fatal(code, messages)
	}
	_, second, _ := invoke(t, append(args, "--out", picture)...)
	if first != second {
		t.Errorf("two outputs:\n%s\n%s", first, second)
	}
	for _, want := range []string{"2030-01-07 00:00 to 2030-01-07 02:00, seed 1", "Service prod/chat", "always 2 tasks",
		"requests/s", "4 instance-hours",
		"with 1 reserved: 2 hours reserved, of which 100 % are used, and 2 on demand"} {
		if !strings.Contains(first, want) {
			t.Errorf("no %q in\n%s", want, first)
		}
	}
	for path, want := range map[string]string{page: "<!doctype html>", picture: "<svg "} {
		if text, err := os.ReadFile(path); err != nil || !strings.HasPrefix(string(text), want) {
			t.Errorf("%s: %.20q %v", path, text, err)
		}
	}
}

// Two stacks on the same load are compared, in JSON too.
func TestSimulateCompares(t *testing.T) {
	other := filepath.Join(t.TempDir(), "other.json")
	text, err := os.ReadFile(someStack)
	if err != nil {
		t.Fatal(err)
	}
	changed := strings.Replace(string(text), `"DesiredCount": 2`, `"DesiredCount": 3`, 1)
	if err := os.WriteFile(other, []byte(changed), 0o600); err != nil {
		t.Fatal(err)
	}
	args := []string{"simulate", "--stack", someStack, "--compare", other, "--span", "1h", "--load",
		"chat=flat,level=5"}
	code, out, messages := invoke(t, args...)
	if want := "prod/chat: task-hours: 2 in " + someStack + ","; code != 0 || !strings.Contains(out, want) {
		t.Errorf("no %q in\n%s%s", want, out, messages)
	}
	_, out, _ = invoke(t, append(args, "--json")...)
	var both simulated
	if err := json.Unmarshal([]byte(out), &both); err != nil || both.Services[0].MaxTasks != 2 ||
		both.Compared.Services[0].MaxTasks != 3 {
		t.Errorf("%v %.300s", err, out)
	}
}

// The stack and the recorded load come from a server.
func TestSimulateServer(t *testing.T) {
	text, err := os.ReadFile(someStack)
	if err != nil {
		t.Fatal(err)
	}
	_, d, asked := fake(t, func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path == "/_berth/blueprint" {
			w.Write(text)
			return
		}
		var in struct {
			EndTime           int64
			MetricDataQueries []struct {
				MetricStat struct{ Metric json.RawMessage }
			}
		}
		if json.NewDecoder(r.Body).Decode(&in) != nil ||
			!strings.Contains(string(in.MetricDataQueries[0].MetricStat.Metric), `"targetgroup/chat/11"`) {
			w.WriteHeader(http.StatusBadRequest)
		}
		fmt.Fprintf(w, `{"MetricDataResults":[{"Timestamps":[%d,%d],"Values":[600,1200]}]}`, in.EndTime-3600,
			in.EndTime-60)
	})
	code, out, messages := invoke(t, "simulate", "--data", d.Path, "--load", "chat=recorded,cpu=2ms")
	if code != 0 || !strings.Contains(out, "0–20 requests/s") || !strings.Contains(out, "to 2030-01-07 01:00") {
		t.Errorf("%d %s\n%s", code, messages, out)
	}
	if got := asked.all(); len(got) != 2 || got[0] != "GET /_berth/blueprint" || got[1] != "POST /" {
		t.Error(got)
	}
	file := filepath.Join(t.TempDir(), "export.json")
	if code, _, messages := invoke(t, "simulate", "--data", d.Path, "--export", file); code != 0 ||
		!strings.Contains(messages, "1 services and 1 groups of region us-east-1") {
		t.Error(code, messages)
	}
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := blueprint.Read(f); err != nil {
		t.Error(err)
	}
}

// Wrong use ends with exit code 2, a bad file with 1, and each with what would be right.
func TestSimulateMistakes(t *testing.T) {
	bad := filepath.Join(t.TempDir(), "bad.json")
	if err := os.WriteFile(bad, []byte("{\n\"Clusters\": [{\"Name\": 1}]}"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		code int
		want string
		args []string
	}{
		{2, "there is no load", []string{"--stack", someStack}},
		{2, "neither .svg nor .html", []string{"--stack", someStack, "--load", "chat=flat,level=1", "--out", "a.png"}},
		{2, "there is no shape", []string{"--stack", someStack, "--load", "chat=sine"}},
		{2, "is not a time", []string{"--stack", someStack, "--load", "chat=flat,level=1", "--start", "noon"}},
		{2, "KIND@TIME", []string{"--stack", someStack, "--load", "chat=flat,level=1", "--fault", "fire"}},
		{2, "--cost: ", []string{"--stack", someStack, "--load", "chat=flat,level=1", "--cost", "gold=1"}},
		{2, "--export goes with", []string{"--export", "-", "--load", "chat=flat,level=1"}},
		{1, "no service \"db\"; it has prod/chat", []string{"--stack", someStack, "--load", "db=flat,level=1"}},
		{1, "bad.json: line 2: there is no field \"Name\"", []string{"--stack", bad, "--load", "chat=flat,level=1"}},
		{1, "a load that is no file is SERVICE=SHAPE", []string{"--stack", someStack, "--load", "none.csv"}},
	} {
		if code, _, messages := invoke(t, append([]string{"simulate"}, c.args...)...); code != c.code ||
			!strings.Contains(messages, c.want) {
			t.Errorf("%v: %d %s, want %q", c.args, code, messages, c.want)
		}
	}
}
