package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/config"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// call runs the program and returns what it wrote and its exit code.
func call(args ...string) (out, stderr string, code int) {
	var o, e bytes.Buffer
	code = Main(args, strings.NewReader(""), &o, &e)
	return o.String(), e.String(), code
}

func TestUsage(t *testing.T) {
	for _, tt := range []struct {
		args   []string
		out    string // standard output must contain it
		stderr string
		code   int
	}{
		{nil, "Usage: berth COMMAND", "", 0},
		{[]string{"help"}, "  server      run the control plane", "", 0},
		{[]string{"--help"}, "  status      show clusters", "", 0},
		{[]string{"server", "--help"}, "      --dev-credentials ", "", 0},
		{[]string{"help", "server"}, "      --dev-credentials ", "", 0},
		{[]string{"env", "--help"}, "berth env: print the environment that points AWS clients at a local " +
			"server.\n\nUsage: berth env [flags]\n", "", 0},
		{[]string{"version"}, "berth " + Version, "", 0},
		{[]string{"version", "--json"}, `"Version": "` + Version + `"`, "", 0},
		{[]string{"completion", "bash"}, "__start_berth", "", 0},
		{[]string{"completion", "zsh"}, "#compdef berth", "", 0},
		{[]string{"completion", "fish"}, "complete -c berth", "", 0},
		{[]string{"sevrer"}, "", `unknown command "sevrer" for "berth"`, 2},
		{[]string{"help", "sevrer"}, "", `berth help: there is no command "sevrer"`, 2},
		{[]string{"server", "--prot", "1"}, "",
			"berth server: unknown flag: --prot\nberth server --help shows how to use it.\n", 2},
		{[]string{"env", "extra"}, "", "berth env: ", 2},
		{[]string{"completion", "tcsh"}, "", `invalid argument "tcsh"`, 2},
		{[]string{"completion"}, "", "accepts 1 arg(s)", 2},
	} {
		out, stderr, code := call(tt.args...)
		if code != tt.code || !strings.Contains(out, tt.out) || !strings.Contains(stderr, tt.stderr) {
			t.Errorf("berth %q = %d, %q %q, want %d, %q %q", tt.args, code, out, stderr, tt.code, tt.out, tt.stderr)
		}
		if (code == 0) != (stderr == "") || (code == 2) != (out == "") {
			t.Errorf("berth %q = %d writes to the wrong stream: %q %q", tt.args, code, out, stderr)
		}
	}
}

// Every command shows how to use it on standard output, within 80 columns.
func TestEveryCommandHasHelp(t *testing.T) {
	for _, c := range commands(streams{}) {
		out, stderr, code := call(c.Name(), "--help")
		if code != 0 || stderr != "" || !strings.Contains(out, "Usage: berth "+c.Name()) {
			t.Errorf("berth %s --help = %d, %q %q", c.Name(), code, out, stderr)
		}
		for line := range strings.Lines(out) {
			if n := len([]rune(strings.TrimSuffix(line, "\n"))); n > width {
				t.Errorf("berth %s --help has a line of %d columns: %s", c.Name(), n, line)
			}
		}
	}
}

func TestEnvPrintsWhatAClientNeeds(t *testing.T) {
	dir := t.TempDir()
	d, err := config.Open(dir, defaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Remember(config.Address{Listen: "0.0.0.0:99", Region: "eu-west-2"}); err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_REGION", "ap-south-1") // of the user's AWS account, and none of the server's
	line := "unset AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE; export AWS_ENDPOINT_URL=%s " +
		"AWS_ACCESS_KEY_ID=" + d.AccessKey.ID +
		" AWS_SECRET_ACCESS_KEY=" + d.AccessKey.Secret + " AWS_REGION=%[2]s AWS_DEFAULT_REGION=%[2]s\n"
	for args, want := range map[string]string{
		"":                      fmt.Sprintf(line, "http://127.0.0.1:99", "eu-west-2"),
		" --region us-west-1":   fmt.Sprintf(line, "http://127.0.0.1:99", "us-west-1"),
		" --listen 127.0.0.1:7": fmt.Sprintf(line, "http://127.0.0.1:7", "eu-west-2"),
	} {
		out, stderr, code := call(strings.Fields("env --data " + dir + args)...)
		if code != 0 || out != want {
			t.Errorf("env%s = %d, %q %q, want %q", args, code, out, stderr, want)
		}
	}
	out, _, _ := call("env", "--data", dir, "--json")
	var vars map[string]string
	if err := json.Unmarshal([]byte(out), &vars); err != nil || vars["AWS_REGION"] != "eu-west-2" || len(vars) != 5 {
		t.Errorf("env --json = %s, %v", out, err)
	}
}

// A server that was just started in the background has no key yet.
func TestEnvWaitsForAServerThatStarts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var stderr bytes.Buffer
		time.AfterFunc(startTime/2, func() {
			d, err := config.Open(dir, defaultAccount)
			if err == nil {
				err = d.Remember(config.Address{Listen: defaultListen, Region: defaultRegion})
			}
			if err != nil {
				t.Error(err)
			}
		})
		var out bytes.Buffer
		if err := runEnv(t.Context(), streams{out: &out, err: &stderr}, place{data: dir}, false); err != nil ||
			!strings.Contains(out.String(), "AWS_ACCESS_KEY_ID=AKIA") {
			t.Errorf("env = %q, %v", out.String(), err)
		}
		if !strings.Contains(stderr.String(), "waiting up to 5s for a server to start with the data directory "+dir) {
			t.Errorf("standard error: %q", stderr.String())
		}
		empty := t.TempDir()
		if err := runEnv(t.Context(), streams{out: &out, err: &stderr}, place{data: empty}, false); err == nil ||
			!strings.Contains(err.Error(), "no server has been started with the data directory "+empty) {
			t.Errorf("env of an empty directory: %v", err)
		}
	})
}

func TestStatusWithoutAServer(t *testing.T) {
	dir := t.TempDir()
	if _, err := config.Open(dir, defaultAccount); err != nil {
		t.Fatal(err)
	}
	// Nothing listens at port 1 of loopback.
	if _, stderr, code := call("status", "--data", dir, "--listen", "127.0.0.1:1"); code != 1 ||
		!strings.Contains(stderr, "no server answers at http://127.0.0.1:1") {
		t.Errorf("status = %d, %q", code, stderr)
	}
}

// While a demo runs, whose data directory is temporary, commands find its server by the exported key and endpoint.
func TestStatusByTheEnvironment(t *testing.T) {
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if r.URL.Path != "/_berth/status" || !strings.Contains(r.Header.Get("Authorization"), "Credential=exported/") {
			http.Error(w, r.URL.Path, http.StatusForbidden)
			return
		}
		if !strings.Contains(r.Header.Get("Authorization"), "/eu-west-2/") {
			http.Error(w, "another region", http.StatusForbidden)
			return
		}
		io.WriteString(w, `{"region": "eu-west-2"}`)
	}))
	defer s.Close()
	t.Setenv("AWS_ENDPOINT_URL", s.URL)
	t.Setenv("AWS_REGION", "")
	t.Setenv("AWS_DEFAULT_REGION", "eu-west-2")
	t.Setenv("AWS_ACCESS_KEY_ID", "exported")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "secret")
	out, stderr, code := call("status")
	if code != 0 || !strings.HasPrefix(out, "Region eu-west-2\n") {
		t.Errorf("status = %d, %q %q", code, out, stderr)
	}
}

// The completion scripts call the program itself.
func TestCompletion(t *testing.T) {
	for args, want := range map[string]string{
		"stat":           "status\tshow clusters",
		"status --js":    "--json\tprint JSON",
		"completion z":   "zsh",
		"status --data ": ":16", // directories
	} {
		out, _, code := call(append([]string{"__complete"}, strings.Split(args, " ")...)...)
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("berth __complete %s = %d, %q, want %q", args, code, out, want)
		}
	}
}

// With --data, commands use the server of the data directory and its key, whatever is exported.
func TestTheDataDirectoryLeadsToItsServer(t *testing.T) {
	s, dir, _ := owned(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	if out, stderr, code := call("status", "--data", dir); code != 0 || !strings.HasPrefix(out, "Region us-east-1\n") {
		t.Errorf("status = %d, %q %q", code, out, stderr)
	}
	// If the server refuses a key, the error names the key and says where it comes from.
	t.Setenv("AWS_ENDPOINT_URL", s.URL)
	_, stderr, code := call("status")
	if want := "refuses the key AKIDOTHER of the environment (AWS_ACCESS_KEY_ID): The " +
		"security token"; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("status with another key = %d, %q, want %q", code, stderr, want)
	}
	other := t.TempDir()
	if _, err := config.Open(other, defaultAccount); err != nil {
		t.Fatal(err)
	}
	_, stderr, code = call("status", "--data", other, "--listen", strings.TrimPrefix(s.URL, "http://"))
	if want := "of the data directory " + other; code != 1 || !strings.Contains(stderr, want) {
		t.Errorf("status with another directory = %d, %q, want %q", code, stderr, want)
	}
}

// opened makes a data directory that commands consider to be open by a server, and that names the server of another
// directory.
func opened(t *testing.T, dir, like string) {
	t.Helper()
	for _, f := range []string{"credentials.json", config.AddressFile} {
		text, err := os.ReadFile(filepath.Join(like, f))
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, f), text, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	id, keys, err := config.Owner(dir)
	if err != nil {
		t.Fatal(err)
	}
	j, err := file.OpenFor(dir, file.Owner{ID: id, Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { j.Close() })
}

// While a demo runs, commands that only read find it from a second terminal, and say so. Commands that remove or copy
// do not use it. If there are two demos, or a server with the default directory, no demo is used.
func TestADemoIsFound(t *testing.T) {
	_, like, asked := owned(t)
	tmp, home := t.TempDir(), t.TempDir()
	t.Setenv("TMPDIR", tmp)
	t.Setenv("HOME", home)
	t.Setenv("XDG_DATA_HOME", home)
	for _, name := range []string{"AWS_ENDPOINT_URL", "AWS_ACCESS_KEY_ID", "AWS_REGION", "AWS_DEFAULT_REGION"} {
		t.Setenv(name, "")
	}
	if os.Geteuid() == 0 {
		if _, err := os.Stat(defaultData()); err == nil {
			t.Skip("this machine has a server's data in ", defaultData())
		}
	}
	const none = "or export the endpoint and the key that berth env, or a demo in its own terminal, prints"
	if _, stderr, code := call("status"); code != 1 || !strings.Contains(stderr, none) {
		t.Errorf("status without any server = %d, %q", code, stderr)
	}
	demo := filepath.Join(tmp, demoPrefix+"1")
	over := filepath.Join(tmp, demoPrefix+"2") // a demo that was killed has left its directory
	for _, dir := range []string{demo, over} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	opened(t, demo, like)
	out, stderr, code := call("status")
	if code != 0 || !strings.HasPrefix(out, "Region us-east-1\n") ||
		!strings.Contains(stderr, "this is the demo with --data "+demo+"\n") {
		t.Errorf("status beside a demo = %d, %q %q", code, out, stderr)
	}
	if out, _, code := call("env"); code != 0 || !strings.Contains(out, "AWS_ACCESS_KEY_ID=AKIA") {
		t.Errorf("env beside a demo = %d, %q", code, out)
	}
	asked.forget()
	for _, args := range [][]string{{"reset", "--yes"}, {"down", "--yes"}, {"backup", filepath.Join(home, "b.tar")}} {
		if _, stderr, code := call(args...); code != 1 || len(asked.all()) != 0 || !strings.Contains(stderr, "--data") {
			t.Errorf("%q beside a demo = %d, %q, asked %q", args, code, stderr, asked.all())
		}
	}
	opened(t, over, like)
	if _, stderr, code := call("status"); code != 1 || !strings.Contains(stderr,
		"2 demos run and no other server does: name one with --data "+demo+" or --data "+over) {
		t.Errorf("status beside two demos = %d, %q", code, stderr)
	}
	if err := os.Chmod(over, 0o777); err != nil { // other users can write there, so it is not used
		t.Fatal(err)
	}
	if _, stderr, code := call("status"); code != 0 || !strings.Contains(stderr, "--data "+demo) {
		t.Errorf("status beside a demo and a directory of anybody's = %d, %q", code, stderr)
	}
}

// berth backup uses the server in the exported variables, as the other commands do.
func TestBackupByTheEnvironment(t *testing.T) {
	_, dir, asked := owned(t)
	id, secret, err := config.Credentials(dir)
	if err != nil {
		t.Fatal(err)
	}
	last, err := config.LastAddress(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Setenv("AWS_ENDPOINT_URL", "http://"+last.Listen)
	t.Setenv("AWS_ACCESS_KEY_ID", id)
	t.Setenv("AWS_SECRET_ACCESS_KEY", secret)
	to := filepath.Join(t.TempDir(), "b.tar")
	out, stderr, code := call("backup", to, "--json")
	var done backedUp
	if err := json.Unmarshal([]byte(out), &done); code != 0 || err != nil || done.File != to ||
		done.Bytes == 0 || fmt.Sprint(asked.all()) != "[GET /_berth/backup]" {
		t.Errorf("backup = %d, %q %q, asked %q", code, out, stderr, asked.all())
	}
	missing := filepath.Join(t.TempDir(), "none")
	_, stderr, code = call("backup", to+"2", "--data", missing)
	if code != 1 || !strings.Contains(stderr, "data directory "+missing) ||
		!strings.Contains(stderr, "name the right one with --data") {
		t.Errorf("backup of a directory that is not there = %d, %q", code, stderr)
	}
	if _, stderr, code := call("backup", "-", "--json"); code != 2 ||
		!strings.Contains(stderr, "give a file beside --json") {
		t.Errorf("backup - --json = %d, %q", code, stderr)
	}
}
