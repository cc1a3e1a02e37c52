package install

import (
	"archive/zip"
	"bytes"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const (
	module  = "github.com/berthhq/berth"
	root    = "../.."
	version = "v0.1.0"
)

// proxy returns a directory in the form of a module proxy. It has the modules of the repository as they would be
// published if the current tree were tagged.
func proxy(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	for _, place := range modules(t) {
		path := strings.TrimSuffix(module+"/"+place, "/.")
		at := filepath.Join(dir, path, "@v")
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		mod, err := os.ReadFile(filepath.Join(root, place, "go.mod"))
		if err != nil {
			t.Fatal(err)
		}
		for name, content := range map[string][]byte{
			"list":            []byte(version + "\n"),
			version + ".info": []byte(`{"Version":"` + version + `"}`),
			version + ".mod":  mod,
			version + ".zip":  archive(t, place, path+"@"+version+"/"),
		} {
			if err := os.WriteFile(filepath.Join(at, name), content, 0o644); err != nil {
				t.Fatal(err)
			}
		}
	}
	return dir
}

// modules returns the directories of the workspace's modules.
func modules(t *testing.T) (places []string) {
	t.Helper()
	for _, dir := range strings.Fields(run(t, root, nil, "go", "list", "-m", "-f", "{{.Dir}}")) {
		base, err := filepath.Abs(root)
		if err != nil {
			t.Fatal(err)
		}
		place, err := filepath.Rel(base, dir)
		if err != nil {
			t.Fatal(err)
		}
		places = append(places, place)
	}
	if len(places) < 4 {
		t.Fatalf("only the modules %v", places)
	}
	return places
}

// archive makes the zip file of a module. It has the files that git knows, except those of other modules in the
// directory.
func archive(t *testing.T, place, prefix string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	dir := filepath.Join(root, place)
	files := strings.Split(strings.TrimRight(
		run(t, dir, nil, "git", "ls-files", "-z", "-co", "--exclude-standard"), "\x00"), "\x00")
	var nested []string
	for _, f := range files {
		if inner, ok := strings.CutSuffix(f, "/go.mod"); ok {
			nested = append(nested, inner+"/")
		}
	}
	for _, f := range files {
		inside := slices.ContainsFunc(nested, func(n string) bool { return strings.HasPrefix(f, n) })
		info, err := os.Stat(filepath.Join(dir, f))
		if inside || err != nil || !info.Mode().IsRegular() { // a file may have been removed and not committed
			continue
		}
		content, err := os.ReadFile(filepath.Join(dir, f))
		if err != nil {
			t.Fatal(err)
		}
		w, err := z.Create(prefix + f)
		if err == nil {
			_, err = io.Copy(w, bytes.NewReader(content))
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func run(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	cmd := exec.Command(name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	var failure bytes.Buffer
	cmd.Stderr = &failure
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("%s %v: %v\n%s", name, args, err, failure.String())
	}
	return string(out)
}

// by returns the environment of a user who can only use the proxy, and the modules of others that are on this machine
// already.
func by(t *testing.T, proxy string) []string {
	t.Helper()
	cache := strings.TrimSpace(run(t, root, nil, "go", "env", "GOMODCACHE"))
	return []string{
		"GOWORK=off", "GOFLAGS=-modcacherw -trimpath -mod=mod", "CGO_ENABLED=0",
		"GOPROXY=file://" + proxy + ",file://" + filepath.Join(cache, "cache", "download"),
		"GONOSUMDB=*", "GONOSUMCHECK=1", "GONOPROXY=none", "GOPRIVATE=", "GOSUMDB=off",
		"GOMODCACHE=" + t.TempDir(), "GOBIN=" + t.TempDir(),
	}
}

// go install with a version installs the command, without a clone of the repository.
func TestInstallBerth(t *testing.T) {
	env := by(t, proxy(t))
	run(t, t.TempDir(), env, "go", "install", module+"/cmd/berth@"+version)
	bin := strings.TrimPrefix(env[len(env)-1], "GOBIN=")
	if out := run(t, t.TempDir(), nil, filepath.Join(bin, "berth"), "help"); !strings.Contains(out, "berth") {
		t.Error(out)
	}
}

// Another program can use a version of the Socket.IO server, with and without the adapter. Without the adapter, its
// only other dependency is golang.org/x/sys.
func TestUseSocketIO(t *testing.T) {
	env := by(t, proxy(t))
	for _, c := range []struct {
		name, source string
		modules      []string
	}{
		{"core", `package main

import "github.com/berthhq/berth/socketio"

func main() { socketio.New(socketio.Options{}).Close() }
`, []string{module + "/socketio", "golang.org/x/sys"}},
		{"adapter", `package main

import (
	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/redisadapter"
)

func main() {
	socketio.New(socketio.Options{}).Close()
	_ = redisadapter.Options{}
}
`, []string{
			module + "/socketio", module + "/socketio/redisadapter", "github.com/cespare/xxhash/v2",
			"github.com/redis/go-redis/v9", "go.uber.org/atomic", "golang.org/x/sys",
		}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "main.go"), []byte(c.source), 0o644); err != nil {
				t.Fatal(err)
			}
			run(t, dir, env, "go", "mod", "init", "example.com/app")
			for _, m := range c.modules {
				if strings.HasPrefix(m, module) {
					run(t, dir, env, "go", "mod", "edit", "-require="+m+"@"+version)
				}
			}
			run(t, dir, env, "go", "run", ".")
			used := strings.Fields(run(t, dir, env, "go", "list", "-deps", "-f",
				"{{with .Module}}{{if not .Main}}{{.Path}}{{end}}{{end}}", "."))
			slices.Sort(used)
			if used = slices.Compact(used); !slices.Equal(used, c.modules) {
				t.Errorf("it uses the modules %v", used)
			}
		})
	}
}
