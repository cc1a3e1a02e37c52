package cli

import (
	"bytes"
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
	out, stderr, code := call("env", "--data", dir, "--listen", "0.0.0.0:99", "--region", "eu-west-2")
	want := "export AWS_ENDPOINT_URL=http://127.0.0.1:99 AWS_ACCESS_KEY_ID=" + d.AccessKey.ID + " AWS_SECRET_ACCESS_KEY=" + d.AccessKey.Secret + " AWS_REGION=eu-west-2 AWS_DEFAULT_REGION=eu-west-2\n"
	if code != 0 || out != want {
		t.Errorf("env = %d, %q %q, want %q", code, out, stderr, want)
	}
}

// A server that was started in the background a moment ago has no key yet.
func TestEnvWaitsForAServerThatStarts(t *testing.T) {
	dir := t.TempDir()
	synctest.Test(t, func(t *testing.T) {
		var told bytes.Buffer
		time.AfterFunc(startTime/2, func() {
			if _, err := config.Open(dir, defaultAccount); err != nil {
				t.Error(err)
			}
		})
		var out bytes.Buffer
		if err := runEnv(t.Context(), streams{out: &out, err: &told}, place{data: dir, listen: defaultListen, region: defaultRegion}); err != nil || !strings.Contains(out.String(), "AWS_ACCESS_KEY_ID=AKIA") {
			t.Errorf("env = %q, %v", out.String(), err)
		}
		if !strings.Contains(told.String(), "waiting up to 5s for a server to start with the data directory "+dir) {
			t.Errorf("told: %q", told.String())
		}
		empty := t.TempDir()
		if err := runEnv(t.Context(), streams{out: &out, err: &told}, place{data: empty}); err == nil || !strings.Contains(err.Error(), "no server has been started with the data directory "+empty) {
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

// What a server that starts says to type in another terminal leads to that server.
func TestArgumentsLeadToThePlace(t *testing.T) {
	for want, p := range map[string]place{
		"--data /d": {"/d", defaultListen, defaultRegion},
		"--data /d --listen 127.0.0.1:99 --region eu-west-2": {"/d", "127.0.0.1:99", "eu-west-2"},
	} {
		if got := p.arguments(); got != want {
			t.Errorf("%q, want %q", got, want)
		}
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
	out, stderr, code := call("status", "--data", t.TempDir())
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
