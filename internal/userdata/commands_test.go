package userdata

import (
	"encoding/base64"
	"strings"
	"testing"
)

// The programs that are brought along do what their namesakes do, in the words of those: everything
// a script sees of them, errors and exit status too, is here as a person would read it.
func TestCommands(t *testing.T) {
	for name, c := range map[string]struct{ script, want string }{
		"rm": {"cd /tmp; touch a b c; rm a; rm -v b; ls; rm nope; echo $?; rm -f nope; echo $?",
			"c\nrm: cannot remove 'nope': no such file or directory\n1\n0\n"},
		"rm of directories": {"cd /tmp; mkdir -p d/e f; touch d/e/x; rm d; echo $?; rm -rf d; rm --recursive " +
			"--force f; ls; rm -rf /; echo $?; test -d /etc && echo here", "rm: cannot remove 'd': " +
			"directory not empty\n1\nrm: cannot remove '/': it is dangerous to operate on '/'\n1\nhere\n"},
		"rm of a link": {"cd /tmp; rm -i x; echo $?", "rm: option -i is not supported here\n1\n"},
		"rm goes on": {"cd /tmp; touch a b; rm a nope b; echo $?; ls",
			"rm: cannot remove 'nope': no such file or directory\n1\n"},
		"mv": {"cd /tmp; echo 1 > a; mv a b; cat b; mkdir d; mv b d; cat d/b; mv -f d/b /etc/x; cat /etc/x",
			"1\n1\n1\n"},
		"mv into directories": {"cd /tmp; touch a b; mkdir d; mv a b d; ls d; mv nope d; echo $?; mv d; echo $?",
			"a\nb\nmv: cannot move 'nope' to 'd': no such file or directory\n1\nmv: missing file operand\n1\n"},
		"cp": {"cd /tmp; echo 1 > a; cp a b; echo 2 > a; cat b; mkdir d; cp a b d/; cat d/a d/b; cp nope b; " +
			"echo $?; cp a; echo $?; cp -r d e; echo $?", "1\n2\n1\ncp: cannot copy 'nope' to 'b': no such " +
			"file or directory\n1\ncp: missing file operand\n1\ncp: option -r is not supported here\n1\n"},
		"mkdir": {"mkdir /tmp/a; mkdir /tmp/a; echo $?; mkdir -p /tmp/a; echo $?; mkdir /tmp/x/y; echo $?; " +
			"mkdir --parents /tmp/x/y; echo $?", "mkdir: cannot create directory '/tmp/a': file exists\n1\n" +
			"0\nmkdir: cannot create directory '/tmp/x/y': no such file or directory\n1\n0\n"},
		"touch": {"echo 1 > /tmp/a; touch /tmp/a; cat /tmp/a; touch /nope/a; echo $?",
			"1\ntouch: cannot touch '/nope/a': no such file or directory\n1\n"},
		"chmod": {"cd /tmp; echo 'echo ran' > x; chmod 755 x; ./x; chmod -x x; ./x; " +
			"echo $?; chmod u+x x; ./x; chmod a-x x; chmod +x x; ./x; chmod 0600 x; test -x x || echo not",
			"ran\nbash: line 3: ./x: Permission denied\n126\nran\nran\nnot\n"},
		"chmod refuses": {"chmod u=rwx /etc; " +
			"echo $?; chmod 755; echo $?; chmod 755 /nope; echo $?; chmod 99 /etc; echo $?",
			"chmod: the mode 'u=rwx' is not supported here\n1\nchmod: missing operand\n1\nchmod: cannot " +
				"access '/nope': no such file or directory\n1\nchmod: the mode '99' is not supported here\n1\n"},
		"ls": {"cd /tmp; mkdir d; touch d/b d/a d/.c; ls d; ls -1 d/a; ls -A d; ls -a d; cd d; ls; " +
			"ls /nope; echo $?; ls -l; echo $?", "a\nb\nd/a\n.c\na\nb\n.\n..\n.c\na\nb\na\nb\nls: cannot " +
			"access '/nope': no such file or directory\n1\nls: option -l is not supported here\n1\n"},
		"ls of several": {"cd /tmp; mkdir d e; touch d/a f; ls e f d", "f\n\nd:\na\n\ne:\n"},
		"head": {"printf '%s\\n' 1 2 3 4 5 6 7 8 9 10 11 > /tmp/f; head -2 /tmp/f; head -n 1 /tmp/f; " +
			"head -n3 < /tmp/f; head /tmp/f | cat - | head -n 1; printf end | head; echo; head -n x; echo $?",
			"1\n2\n1\n1\n2\n3\n1\nend\nhead: invalid number of lines: \"x\"\n1\n"},
		"cat": {"echo a > /tmp/a; echo b | cat /tmp/a - /nope /tmp/a; echo $?; cat /tmp; " +
			"echo $?; cat -n /tmp/a; echo $?", "a\nb\ncat: /nope: no such file or directory\na\n1\n" +
			"cat: /tmp: is a directory\n1\ncat: option -n is not supported here\n1\n"},
		"tee": {"echo 1 | tee /tmp/a /nope/b /tmp/c; echo " +
			"$?; echo 2 | tee --append /tmp/a >/dev/null; cat /tmp/a /tmp/c; echo 3 | tee /tmp/a; cat /tmp/a",
			"tee: /nope/b: no such file or directory\n1\n1\n1\n2\n1\n3\n3\n"},
		"logger": {"logger hello there; echo two " +
			"| logger -t me; logger -s -t you 3; logger -p x; echo $?; cat /var/log/messages",
			"you: 3\nlogger: option -p is not supported here\n1\nroot: hello there\nme: two\nyou: 3\n"},
		"a pipe that nobody reads": {"s=0123456789; for i in {1..16}; do s=$s$s; done; echo 1 > /tmp/f; " +
			"echo $s >> /tmp/f; set -o pipefail; cat /tmp/f | head -n 1; echo $?; cat < /tmp/f | head -n " +
			"1; echo $?; tee /tmp/g < /tmp/f | head -n 1; echo $?", "1\n141\n1\n141\n1\n141\n"},
		"what runs": {"cd /tmp; printf '#!/usr/bin/python3\\nprint(1)\\n' > p; printf '\\177ELF\\0' > b; " +
			"chmod +x p b; ./p; echo $?; ./b; echo $?; mkdir d; ./d; echo $?", "bash: line 3: ./p: cannot " +
			"execute: only bash and sh scripts run here\n126\nbash: line 3: ./b: cannot execute: only bash " +
			"and sh scripts run here\n126\nbash: line 3: ./d: Is a directory\n126\n"},
		"names": {"basename /a/b.txt .txt; basename .txt .txt; basename a/; dirname " +
			"/a/b; dirname a; basename; echo $?; dirname; echo $?",
			"b\n.txt\na\n/a\n.\nbasename: missing operand\n1\ndirname: missing operand\n1\n"},
		"who and where": {"hostname; whoami; sudo whoami; which ls nope; echo $?; chown root /etc; " +
			"sync; echo $?", "ip-127-0-1-2\nroot\nroot\n/usr/bin/ls\n1\n0\n"},
		"date refuses": {"date +%N; echo $?; test $(date +%s) -gt 1000000000 && test $(date " +
			"-u +%Y) 2>/dev/null; echo $?; test $(date +%F) = $(date -u +%Y-%m-%d) && echo same",
			"date: the format \"+%N\" is not supported here\n1\n1\nsame\n"},
		"sleep refuses": {"sleep 0 0.0; echo $?; sleep soon; echo $?", "0\nsleep: invalid time interval \"soon\"\n1\n"},
		"end of options": {"cd /tmp; touch -- -a; ls; rm -- -a; ls; rm --wrong x; echo $?",
			"-a\nrm: option --wrong is not supported here\n1\n"},
		"env": {"env A=1 B='x y' bash -c 'echo $A $B'; env -i x; echo $?; export C=3; env | cat | tee /tmp/e " +
			">/dev/null; bash -c '. /tmp/e; echo $C'", "1 x y\nenv: option -i is not supported here\n1\n3\n"},
		"sudo": {"sudo -E -n echo a; sudo -u x y; echo $?; sudo; echo $?; sudo cd /tmp; pwd | head",
			"a\nsudo: option -u is not supported here\n1\nsudo: a command is missing\n1\n/tmp\n"},
		"bash": {"bash -c; echo $?; bash -z; echo $?; bash /nope.sh; echo $?; echo 'echo in $0' | bash; " +
			"bash -ec 'false; echo no'; echo $?; bash -- /nope; echo $?; bash - <<< 'echo dash'",
			"bash: -c: option requires an argument\n1\nbash: option -z is not supported here\n" +
				"1\nbash: line 3: /nope.sh: no such file or directory\n127\nin bash\n1\n" +
				"bash: line 3: /nope: no such file or directory\n127\ndash\n"},
		"devices": {"echo a > /dev/stdout; echo b >&2 2>/dev/null; cat /dev/null; echo c > /dev/stderr; " +
			"echo d | cat /dev/tty; echo gone > /dev/null", "a\nb\nc\n"},
	} {
		t.Run(name, func(t *testing.T) {
			dir, console := boot(t, "#!/bin/bash\n{\n"+c.script+"\n} > /var/log/out 2>&1\n", Limits{})
			if got := read(t, dir, "var/log/out"); got != c.want {
				t.Errorf("%s\nprints\n%s\nwant\n%s\nconsole: %s", c.script, got, c.want, console)
			}
		})
	}
}

// The time is in UTC, in the forms that scripts use for names of files.
func TestDate(t *testing.T) {
	dir, _ := boot(t, "#!/bin/bash\nfor f in %s %F %T %Y%m%d %Y-%m-%dT%H:%M:%SZ '%Y-%m-%d %H:%M:%S'; do "+
		"date \"+$f\"; done > /tmp/f\ndate >> /tmp/f\n", Limits{})
	lines := strings.Split(strings.TrimSpace(read(t, dir, "tmp/f")), "\n")
	for i, form := range []string{
		"0000000000", "0000-00-00", "00:00:00", "00000000", "0000-00-00T00:00:00Z", "0000-00-00 00:00:00",
	} {
		if i >= len(lines) || strings.Map(func(r rune) rune {
			if r >= '0' && r <= '9' {
				return '0'
			}
			return r
		}, lines[i]) != form {
			t.Errorf("line %d of %q is not like %s", i, lines, form)
		}
	}
	if last := lines[len(lines)-1]; !strings.Contains(last, " UTC ") {
		t.Errorf("date prints %q", last)
	}
}

// A link that leads out of the instance's root leads nowhere: the host cannot be read, written or removed through it.
func TestLinksDoNotLeadOut(t *testing.T) {
	dir, console := boot(t, "#!/bin/bash\ncat /proc/self/environ; cp /etc/passwd /tmp/p; ls /tmp; cp "+
		"/../../../../etc/hostname /tmp/h; mv /etc/hostname /tmp/m; rm -f /etc/hostname; echo $? > /tmp/f\n",
		Limits{})
	if got := read(t, dir, "tmp/f"); got != "0\n" {
		t.Errorf("rm -f of what is not there ends with %q", got)
	}
	for _, want := range []string{"cat: /proc/self/environ: no such file", "cp: cannot copy '/etc/passwd'",
		"cp: cannot copy '/../../../../etc/hostname'", "mv: cannot move '/etc/hostname'"} {
		if !strings.Contains(console, want) {
			t.Errorf("the console does not say %q:\n%s", want, console)
		}
	}
}

// A copy counts as what is written, like everything else.
func TestCopiesFillTheDisk(t *testing.T) {
	dir, console := boot(t, "#!/bin/bash\ncd /tmp; for i in {1..100}; do echo 0123456789; done > f\n"+
		"for i in {1..9}; do cp f c$i || break; done; ls | head -20 > /etc/n\n", Limits{Disk: 4000})
	if !strings.Contains(console, "cp: cannot copy 'f' to 'c3': no space left on device") ||
		!strings.Contains(console, "the disk is full: user data may write 4000 bytes") {
		t.Errorf("console: %s", console)
	}
	if got := read(t, dir, "tmp/c1"); len(got) != 1100 {
		t.Errorf("the first copy has %d bytes", len(got))
	}
}

// User data is stored as the API takes it, in base64; text that is none stands for itself.
func TestDecode(t *testing.T) {
	const script = "#!/bin/bash\necho hi\n"
	if got := string(Decode(base64.StdEncoding.EncodeToString([]byte(script)))); got != script {
		t.Errorf("decoded %q", got)
	}
	if got := string(Decode(script)); got != script {
		t.Errorf("plain text becomes %q", got)
	}
}
