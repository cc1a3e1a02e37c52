package image

import (
	"archive/tar"
	"compress/gzip"
	"encoding/json"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	ocispec "github.com/opencontainers/image-spec/specs-go/v1"
)

// entries lists a layer as "path type mode content".
func entries(t *testing.T, l layer) []string {
	t.Helper()
	f, err := os.Open(l.path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	gz, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var out []string
	for tr := tar.NewReader(gz); ; {
		h, err := tr.Next()
		if err == io.EOF {
			return out
		}
		if err != nil {
			t.Fatal(err)
		}
		if h.Uid != 0 || h.Gid != 0 || h.ModTime.Unix() != 0 {
			t.Errorf("%s: owner %d:%d, time %v", h.Name, h.Uid, h.Gid, h.ModTime)
		}
		b, err := io.ReadAll(tr)
		if err != nil {
			t.Fatal(err)
		}
		out = append(out, strings.Join([]string{
			h.Name, string(h.Typeflag), os.FileMode(h.Mode).String(), h.Linkname + string(b),
		}, " "))
	}
}

func TestTreeBecomesLayer(t *testing.T) {
	dir := t.TempDir()
	for _, p := range []string{"app/server.js", "app/lib/a.js"} {
		os.MkdirAll(filepath.Dir(filepath.Join(dir, p)), 0o750)
		os.WriteFile(filepath.Join(dir, p), []byte(p), 0o640)
	}
	os.Symlink("server.js", filepath.Join(dir, "app/main.js"))
	files, err := Tree(filepath.Join(dir, "app"), "/srv/app")
	if err != nil {
		t.Fatal(err)
	}
	img, err := Build(Config{Exposed: []string{"3000"}, Env: []string{"A=1"}},
		append(files, File{Path: "srv/app/server.js", Mode: 0o600, Content: []byte("later")}))
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	want := []string{
		"srv/ 5 -rwxr-xr-x ",
		"srv/app/ 5 -rwxr-x--- ",
		"srv/app/lib/ 5 -rwxr-x--- ",
		"srv/app/lib/a.js 0 -rw-r----- app/lib/a.js",
		"srv/app/main.js 2 -rwxrwxrwx server.js",
		"srv/app/server.js 0 -rw------- later",
	}
	if got := entries(t, img.layers[0]); !slices.Equal(got, want) {
		t.Errorf("got\n%s\nwant\n%s", strings.Join(got, "\n"), strings.Join(want, "\n"))
	}
	var conf ocispec.Image
	if err := json.Unmarshal(img.config, &conf); err != nil {
		t.Fatal(err)
	}
	if _, ok := conf.Config.ExposedPorts["3000/tcp"]; !ok || conf.OS != "linux" ||
		!strings.HasPrefix(conf.Config.Env[0], "PATH=") || conf.Config.Env[1] != "A=1" {
		t.Errorf("%+v", conf)
	}
}

func TestSameFilesSameDigest(t *testing.T) {
	digests := map[string]bool{}
	for _, order := range [][]string{{"a", "b"}, {"b", "a"}} {
		dir := t.TempDir()
		var files []File
		for _, n := range order {
			p := filepath.Join(dir, n)
			os.WriteFile(p, []byte(n), 0o600)
			files = append(files, File{Path: "/x/" + n, Mode: 0o600, Source: p})
		}
		img, err := Build(Config{Labels: map[string]string{"p": "1", "q": "2"}}, Base(), files)
		if err != nil {
			t.Fatal(err)
		}
		digests[img.Digest()] = true
		if err := img.Close(); err != nil {
			t.Error(err)
		}
	}
	if len(digests) != 1 {
		t.Errorf("digests %v", digests)
	}
}

func TestFileBelowFile(t *testing.T) {
	_, err := Build(Config{}, []File{{Path: "/a", Content: []byte("x")}, {Path: "/a/b", Content: []byte("x")}})
	if err == nil || !strings.Contains(err.Error(), "/a/b cannot be below /a") {
		t.Errorf("Build = %v", err)
	}
}

func TestBinaryMustStandAlone(t *testing.T) {
	if _, err := Binary("/bin/sh", "/sh"); err == nil || !strings.Contains(err.Error(), "CGO_ENABLED=0") {
		t.Errorf("a dynamic program: %v", err)
	}
	if _, err := Binary("/etc/passwd", "/x"); err == nil || !strings.Contains(err.Error(), "is not a program") {
		t.Errorf("no program: %v", err)
	}
}

func TestParseLdd(t *testing.T) {
	got, err := parseLdd("\tlinux-vdso.so.1 (0x00007f)\n\tlibc.so.6 => /lib/x86_64-linux-gnu/libc.so.6 " +
		"(0x1)\n\t/lib64/ld-linux-x86-64.so.2 (0x2)\n")
	if err != nil || !slices.Equal(got, []string{"/lib/x86_64-linux-gnu/libc.so.6", "/lib64/ld-linux-x86-64.so.2"}) {
		t.Errorf("%v %v", got, err)
	}
	if _, err := parseLdd("\tlibx.so => not found\n"); err == nil || !strings.Contains(err.Error(), "libx.so") {
		t.Error(err)
	}
}

// A program of this machine, moved into an empty root with what Program finds, runs there.
func TestProgramRunsInAnEmptyRoot(t *testing.T) {
	echo, err := exec.LookPath("echo")
	need(t, err == nil && os.Getuid() == 0, "echo, or the right to change the root directory")
	files, err := Program(echo)
	if err != nil {
		t.Fatal(err)
	}
	img, err := Build(Config{}, files)
	if err != nil {
		t.Fatal(err)
	}
	defer img.Close()
	root := t.TempDir()
	for _, l := range img.layers {
		if out, err := exec.Command("tar", "-C", root, "-xzf", l.path).CombinedOutput(); err != nil {
			t.Fatalf("%v %s", err, out)
		}
	}
	cmd := exec.CommandContext(t.Context(), echo, "afloat")
	cmd.SysProcAttr = &syscall.SysProcAttr{Chroot: root}
	cmd.Dir = "/"
	if out, err := cmd.CombinedOutput(); err != nil || string(out) != "afloat\n" {
		t.Errorf("%v %s", err, out)
	}
}

func TestNodeHasAllItsParts(t *testing.T) {
	path, err := exec.LookPath("node")
	need(t, err == nil, "node")
	files, err := Node("")
	if err != nil {
		t.Fatal(err)
	}
	has := func(part string) bool {
		return slices.ContainsFunc(files, func(f File) bool { return strings.Contains(f.Path, part) })
	}
	if !has(path) || !has("libc.so") || !has("ld-linux") {
		t.Errorf("files %v", files)
	}
	if _, err := os.Stat("/usr/share/nodejs/undici"); err == nil && strings.HasPrefix(path, "/usr/bin") &&
		has("libnode") && !has("undici") {
		t.Error("Debian's node lacks its outside parts")
	}
}

func need(t *testing.T, ok bool, what string) {
	t.Helper()
	if ok {
		return
	}
	if os.Getenv("BERTH_CI") == "1" {
		t.Fatal(what + " is missing")
	}
	t.Skip(what + " is missing")
}
