package cli

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/config"
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
		out    string // what standard output must have
		stderr string
		code   int
	}{
		{nil, "Usage: berth COMMAND", "", 0},
		{[]string{"help"}, "  server      run the control plane", "", 0},
		{[]string{"--help"}, "  status      show clusters", "", 0},
		{[]string{"server", "--help"}, "      --dev-credentials ", "", 0},
		{[]string{"help", "server"}, "      --dev-credentials ", "", 0},
		{[]string{"env", "--help"}, "berth env: print the environment that points AWS clients at a local server.\n\nUsage: berth env [flags]\n", "", 0},
		{[]string{"version"}, "berth " + Version, "", 0},
		{[]string{"version", "--json"}, `"Version": "` + Version + `"`, "", 0},
		{[]string{"completion", "bash"}, "__start_berth", "", 0},
		{[]string{"completion", "zsh"}, "#compdef berth", "", 0},
		{[]string{"completion", "fish"}, "complete -c berth", "", 0},
		{[]string{"sevrer"}, "", `unknown command "sevrer" for "berth"`, 2},
		{[]string{"help", "sevrer"}, "", `berth help: there is no command "sevrer"`, 2},
		{[]string{"server", "--prot", "1"}, "", "berth server: unknown flag: --prot\nberth server --help shows how to use it.\n", 2},
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
	line := "unset AWS_SESSION_TOKEN AWS_PROFILE AWS_DEFAULT_PROFILE; export AWS_ENDPOINT_URL=%s AWS_ACCESS_KEY_ID=" + d.AccessKey.ID +
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

// A server that was started in the background a moment ago has no key yet.
func TestEnvWaitsForAServerThatStarts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
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
		if err := runEnv(t.Context(), streams{out: &out, err: &told}, place{data: dir}, false); err != nil || !strings.Contains(out.String(), "AWS_ACCESS_KEY_ID=AKIA") {
			t.Errorf("env = %q, %v", out.String(), err)
		}
		if !strings.Contains(told.String(), "waiting up to 5s for a server to start with the data directory "+dir) {
			t.Errorf("told: %q", told.String())
		}
		empty := t.TempDir()
		if err := runEnv(t.Context(), streams{out: &out, err: &told}, place{data: empty}, false); err == nil || !strings.Contains(err.Error(), "no server has been started with the data directory "+empty) {
			t.Errorf("env of an empty directory: %v", err)
		}
	})
}

func TestStatusWithoutAServer(t *testing.T) {
	dir := t.TempDir()
	if _, err := config.Open(dir, defaultAccount); err != nil {
		t.Fatal(err)
	}
	// Port 1 of loopback is nobody's.
	if _, stderr, code := call("status", "--data", dir, "--listen", "127.0.0.1:1"); code != 1 || !strings.Contains(stderr, "no server answers at http://127.0.0.1:1") {
		t.Errorf("status = %d, %q", code, stderr)
	}
}

// Beside a demo, whose data directory nobody knows, the exported key and endpoint lead to the server.
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

// The completion scripts ask the program itself.
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

// owned is a server that knows one key and writes down what it is asked for.
func owned(t *testing.T) (s *httptest.Server, dir string, asked *[]string) {
	t.Helper()
	dir, asked = t.TempDir(), new([]string)
	d, err := config.Open(dir, defaultAccount)
	if err != nil {
		t.Fatal(err)
	}
	s = httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if !strings.Contains(r.Header.Get("Authorization"), "Credential="+d.AccessKey.ID+"/") {
			http.Error(w, "The security token included in the request is invalid.", http.StatusForbidden)
			return
		}
		*asked = append(*asked, r.Method+" "+r.URL.Path)
		if r.URL.Path == "/_berth/stop" {
			go s.Config.Close()
		}
		io.WriteString(w, `{"Region":"us-east-1"}`)
	}))
	t.Cleanup(s.Close)
	if err := d.Remember(config.Address{Listen: strings.TrimPrefix(s.URL, "http://"), Region: "us-east-1"}); err != nil {
		t.Fatal(err)
	}
	return s, dir, asked
}

// The data directory leads to its server, and its key is the one that is used, whatever is exported.
func TestTheDataDirectoryLeadsToItsServer(t *testing.T) {
	s, dir, _ := owned(t)
	t.Setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
	t.Setenv("AWS_ACCESS_KEY_ID", "AKIDOTHER")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "x")
	if out, stderr, code := call("status", "--data", dir); code != 0 || !strings.HasPrefix(out, "Region us-east-1\n") {
		t.Errorf("status = %d, %q %q", code, out, stderr)
	}
	// A key that does not fit is named, with where it comes from.
	t.Setenv("AWS_ENDPOINT_URL", s.URL)
	_, stderr, code := call("status")
	if want := "refuses the key AKIDOTHER of the environment (AWS_ACCESS_KEY_ID): The security token"; code != 1 || !strings.Contains(stderr, want) {
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

func TestResetAsksFirst(t *testing.T) {
	_, dir, asked := owned(t)
	for _, tt := range []struct {
		args, in, out string
		code          int
		asked         string
	}{
		{"reset", "", "", 1, "[]"},
		{"reset", "no\n", "", 1, "[]"},
		{"reset", "yes\n", "Removed everything", 0, "[POST /_berth/reset]"},
		{"reset --yes", "", "Removed everything", 0, "[POST /_berth/reset]"},
		{"down --yes", "", "Stopped it.\n", 0, "[POST /_berth/reset POST /_berth/stop]"},
	} {
		*asked = nil
		var out, stderr bytes.Buffer
		code := Main(append(strings.Fields(tt.args), "--data", dir), strings.NewReader(tt.in), &out, &stderr)
		if code != tt.code || !strings.Contains(out.String(), tt.out) || fmt.Sprint(*asked) != tt.asked {
			t.Errorf("%s with %q = %d, %q %q, asked %v", tt.args, tt.in, code, out.String(), stderr.String(), *asked)
		}
	}
}
