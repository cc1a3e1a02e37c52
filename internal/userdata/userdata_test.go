package userdata

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"
)

// boot runs user data on a fresh instance and returns its root directory and its console.
func boot(t *testing.T, data string, limits Limits) (dir, console string) {
	t.Helper()
	dir = t.TempDir()
	root, err := os.OpenRoot(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	var out bytes.Buffer
	in := Instance{ID: "i-0123456789abcdef0", Hostname: "ip-127-0-1-2", Region: "eu-west-2"}
	if err := Run(t.Context(), root, t.TempDir(), []byte(data), in, limits, &out); err != nil {
		t.Fatal(err)
	}
	return dir, out.String()
}

func read(t *testing.T, dir, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(dir, name))
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// The user data is exactly that of the article: the agent gets a cluster and an empty back end host.
func TestArticleScript(t *testing.T) {
	dir, console := boot(t, "#!/bin/bash\necho ECS_CLUSTER=socket-ecs-cluster >> /etc/ecs/ecs.config;echo "+
		"ECS_BACKEND_HOST= >> /etc/ecs/ecs.config;", Limits{})
	if got, want := read(t, dir, "etc/ecs/ecs.config"),
		"ECS_CLUSTER=socket-ecs-cluster\nECS_BACKEND_HOST=\n"; got != want {
		t.Errorf("ecs.config = %q, want %q", got, want)
	}
	if want := "cloud-init: part-001 finished\n"; console != want {
		t.Errorf("console = %q, want %q", console, want)
	}
	got := ParseConfig([]byte(read(t, dir, "etc/ecs/ecs.config")))
	if len(got) != 2 || got[0] != (Setting{"ECS_CLUSTER", "socket-ecs-cluster"}) ||
		got[1] != (Setting{"ECS_BACKEND_HOST", ""}) {
		t.Errorf("settings = %v", got)
	}
}

func TestScripts(t *testing.T) {
	if _, err := os.Stat("/etc/debian_version"); err != nil {
		t.Log("not on Debian: that the host's files are out of reach is only half proved")
	}
	for _, c := range []struct{ name, script, file, want, console string }{
		{"heredoc", "cat <<'EOF' >> /etc/ecs/ecs.config\nECS_CLUSTER=a\nECS_LOGLEVEL=debug\nEOF\n",
			"etc/ecs/ecs.config", "ECS_CLUSTER=a\nECS_LOGLEVEL=debug\n", ""},
		{"tee with sudo", "echo ECS_CLUSTER=b | sudo tee -a /etc/ecs/ecs.config >/dev/null",
			"etc/ecs/ecs.config", "ECS_CLUSTER=b\n", ""},
		{"unknown commands are passed over", "yum update -y\necho $? > /tmp/code", "tmp/code", "127\n",
			"bash: line 2: yum: command not found\n"},
		{"unknown commands by path", "/usr/bin/yum update\necho $? > /tmp/code", "tmp/code", "127\n",
			"/usr/bin/yum: command not found\n"},
		{"errexit ends it", "set -e\nfalse\necho no > /tmp/f", "etc/ecs/ecs.config", "",
			"part-001 failed: exit status 1"},
		{"variables and functions", "f() { echo \"ECS_CLUSTER=$1\"; }\nC=x; f ${C}y > /etc/ecs/ecs.config",
			"etc/ecs/ecs.config", "ECS_CLUSTER=xy\n", ""},
		{"parents are not left", "echo x > ../../../../etc/ecs/ecs.config", "etc/ecs/ecs.config", "x\n", ""},
		{"cd and globs", "mkdir -p /a/b; touch /a/b/1 /a/b/2; cd /a; echo b/* > out; pwd >> out", "a/out",
			"b/1 b/2\n/a\n", ""},
		{"the host is out of sight", "cat /etc/debian_version; test -e /etc/debian_version || echo " +
			"none > /tmp/f", "tmp/f", "none\n", "cat: /etc/debian_version: no such file or directory\n"},
		{"the host's programs are out of sight",
			"command -v ls > /tmp/f; command -v dpkg >> /tmp/f || echo none >> /tmp/f", "tmp/f",
			"/usr/bin/ls\nnone\n", ""},
		{"scripts of its own", "printf '#!/bin/bash\\necho \"$1 $2\" > /tmp/f\\n' > /tmp/x.sh; chmod +x " +
			"/tmp/x.sh; /tmp/x.sh a 'b c'", "tmp/f", "a b c\n", ""},
		{"scripts without permission", "echo 'echo hi' > /tmp/x.sh; /tmp/x.sh\necho $? > /tmp/f", "tmp/f",
			"126\n", "/tmp/x.sh: Permission denied\n"},
		{"bash -c", "A=1 bash -c 'echo $A$0$1 > /tmp/f' n arg", "tmp/f", "1narg\n", ""},
		{"source", "echo 'X=1' > /etc/ecs/e; . /etc/ecs/e; echo $X > /tmp/f", "tmp/f", "1\n", ""},
		{"process substitution", "cat <(echo one) <(echo two) > /tmp/f", "tmp/f", "one\ntwo\n", ""},
		{"whoever logs everything", "exec > >(tee /var/log/user-data.log|logger -t user-data -s " +
			"2>/dev/console) 2>&1\necho ECS_CLUSTER=z > /etc/ecs/ecs.config\necho done", "etc/ecs/ecs.config",
			"ECS_CLUSTER=z\n", "done\n"},
		{"no trace of the host's directories",
			"echo \"[$TMPDIR]\" > /tmp/f; env | sudo tee -a /tmp/g >/dev/null", "tmp/f", "[]\n", ""},
		{"a script's syntax error comes when it is reached",
			"echo ECS_CLUSTER=a > /etc/ecs/ecs.config\nif then fi (", "etc/ecs/ecs.config", "ECS_CLUSTER=a\n",
			"part-001 failed: exit status 2"},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, console := boot(t, "#!/bin/bash\n"+c.script+"\n", Limits{})
			if got := read(t, dir, c.file); got != c.want {
				t.Errorf("%s = %q, want %q\nconsole: %s", c.file, got, c.want, console)
			}
			if !strings.Contains(console, c.console) {
				t.Errorf("console = %q, want %q in it", console, c.console)
			}
		})
	}
}

func TestOtherKinds(t *testing.T) {
	script := "#!/bin/sh\necho ECS_CLUSTER=m > /etc/ecs/ecs.config\n"
	var zipped bytes.Buffer
	z := gzip.NewWriter(&zipped)
	z.Write([]byte(script))
	z.Close()
	multi := "MIME-Version: 1.0\nContent-Type: multipart/mixed; boundary=\"==B==\"\n\n--==B==\n" +
		"Content-Type: text/cloud-config\n\n#cloud-config\nruncmd: [x]\n" +
		"--==B==\nContent-Type: text/x-shellscript\nContent-Transfer-Encoding: base64\n\n" +
		base64.StdEncoding.EncodeToString([]byte(script)) + "\n--==B==--\n"
	for _, c := range []struct{ name, data, config, console string }{
		{"gzip", zipped.String(), "ECS_CLUSTER=m\n", "part-001 finished"},
		{"multi-part", multi, "ECS_CLUSTER=m\n", "part-001 was not run: cloud-config is not supported here"},
		{"cloud-config", "#cloud-config\nruncmd: [x]\n", "", "cloud-config is not supported"},
		{"python", "#!/usr/bin/env python3\nprint(1)\n", "", "the interpreter of"},
		{"include", "#include\nhttp://x\n", "", `kind "#include" is not supported`},
		{"plain text", "hello", "", "has to begin with #!"},
		{"broken gzip", "\x1f\x8bxx", "", "broken gzip"},
		{"nothing", "", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir, console := boot(t, c.data, Limits{})
			if got := read(t, dir, "etc/ecs/ecs.config"); got != c.config {
				t.Errorf("ecs.config = %q, want %q", got, c.config)
			}
			if !strings.Contains(console, c.console) {
				t.Errorf("console = %q, want %q in it", console, c.console)
			}
		})
	}
}

func TestLimits(t *testing.T) {
	t.Run("output", func(t *testing.T) {
		_, console := boot(t, "#!/bin/bash\nfor i in {1..1000}; do echo 0123456789; done\n", Limits{Output: 100})
		if want := "further output is dropped"; !strings.Contains(console, want) || len(console) > 300 {
			t.Errorf("console has %d bytes: %q", len(console), console)
		}
	})
	t.Run("disk", func(t *testing.T) {
		dir, console := boot(t, "#!/bin/bash\nfor i in {1..1000}; do echo 0123456789 >> /tmp/f; done\n",
			Limits{Disk: 4096})
		if !strings.Contains(console, "the disk is full: user data may write 4096 bytes") {
			t.Errorf("console = %.300q", console)
		}
		if n := len(read(t, dir, "tmp/f")); n > 4096 {
			t.Errorf("%d bytes were written", n)
		}
	})
	t.Run("nesting", func(t *testing.T) {
		_, console := boot(t, "#!/bin/bash\nbash $0\n", Limits{})
		if !strings.Contains(console, "failed") {
			t.Errorf("console = %.300q", console)
		}
	})
	for name, script := range map[string]string{
		"sleep": "sleep 1000", "loop": "while true; do sleep 1; done", "background": "sleep 1000 & wait",
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				root, err := os.OpenRoot(t.TempDir())
				if err != nil {
					t.Fatal(err)
				}
				defer root.Close()
				var out bytes.Buffer
				start := time.Now()
				if err := Run(context.Background(), root, t.TempDir(), []byte("#!/bin/bash\n"+script+"\n"),
					Instance{}, Limits{Time: time.Minute}, &out); err != nil {
					t.Fatal(err)
				}
				if took := time.Since(start); took != time.Minute {
					t.Errorf("ended after %v", took)
				}
				if !strings.Contains(out.String(), "part-001 failed: user data ran longer than 1m0s and was ended") {
					t.Errorf("console = %q", out.String())
				}
			})
		})
	}
}

func TestParseConfig(t *testing.T) {
	got := ParseConfig([]byte("# comment\n\nECS_CLUSTER = \"a b\"\nexport ECS_X='1'\nnonsense\n1A=2\n" +
		"ECS_Y={\"k\":\"v=w\"}\nECS_X=2\r\n"))
	want := []Setting{{"ECS_CLUSTER", "a b"}, {"ECS_Y", `{"k":"v=w"}`}, {"ECS_X", "2"}}
	if len(got) != len(want) {
		t.Fatalf("settings = %q", got)
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("setting %d = %q, want %q", i, got[i], want[i])
		}
	}
}

func FuzzParseConfig(f *testing.F) {
	f.Add([]byte("A=b\nC=\"d\"\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		seen := map[string]bool{}
		for _, s := range ParseConfig(data) {
			if seen[s.Key] || !isName(s.Key) || strings.ContainsAny(s.Value, "\n") {
				t.Errorf("bad setting %q", s)
			}
			seen[s.Key] = true
		}
	})
}

func FuzzSplit(f *testing.F) {
	f.Add([]byte("#!/bin/sh\n"))
	f.Add([]byte("Content-Type: multipart/mixed; boundary=b\n\n--b\n\nx\n--b--\n"))
	f.Fuzz(func(t *testing.T, data []byte) {
		parts, err := split(data)
		if err != nil && len(parts) > 0 {
			t.Error("parts and an error")
		}
		for _, p := range parts {
			_ = p.refusal()
		}
	})
}
