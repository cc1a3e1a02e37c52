//go:build linux

package agent

import (
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/agent/runtime/fake"
)

// purgeVariable makes the test binary purge an instance and end.
const purgeVariable = "BERTH_TEST_PURGE"

// A user who may not list the rules of iptables, or has no iptables in PATH (as on Debian), cannot have made rules, so
// an instance is removed without an error.
func TestPurgeWithoutRoot(t *testing.T) {
	if id := os.Getenv(purgeVariable); id != "" {
		dead := false
		if err := Purge(t.Context(), id, fake.New(), func() { dead = true }); err != nil || !dead {
			t.Errorf("dead: %v, error: %v", dead, err)
		}
		return
	}
	missing := ""
	if os.Geteuid() != 0 {
		missing = "the right to become another user"
	} else if _, err := exec.LookPath("iptables"); err != nil {
		missing = "iptables"
	}
	if missing != "" && os.Getenv("BERTH_CI") == "1" {
		t.Fatalf("%s is missing", missing)
	} else if missing != "" {
		t.Skipf("%s is missing", missing)
	}
	for _, path := range []string{os.Getenv("PATH"), "/nowhere"} {
		cmd := exec.Command("/proc/self/exe", "-test.run=^TestPurgeWithoutRoot$", "-test.v")
		cmd.Dir, cmd.Env = "/", append(os.Environ(), purgeVariable+"=i-0123456789abcdef0", "PATH="+path)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
		out, err := cmd.CombinedOutput()
		if err != nil || !strings.Contains(string(out), "PASS: TestPurgeWithoutRoot") {
			t.Errorf("with PATH=%s: %v: %s", path, err, out)
		}
	}
}
