package cli

import (
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/logstore"
	"github.com/berthhq/berth/internal/state/journal/file"
	"github.com/berthhq/berth/test/upgrade"
)

// stopped returns a data directory that no server uses.
func stopped(t *testing.T) string {
	t.Helper()
	dir := upgrade.Format1(t)
	j, err := file.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return dir
}

func berth(args ...string) (code int, out string) {
	var b strings.Builder
	code = Main(args, strings.NewReader(""), &b, &b)
	return code, b.String()
}

// A backup is not written into a data directory, on whatever path.
func TestBackupIsNotWrittenIntoADataDirectory(t *testing.T) {
	dir := stopped(t)
	link := filepath.Join(t.TempDir(), "link")
	if err := os.Symlink(filepath.Join(dir, "logs"), link); err != nil {
		t.Fatal(err)
	}
	for _, target := range []string{
		filepath.Join(dir, "b.tar"), filepath.Join(dir, "logs", "b.tar"), filepath.Join(link, "b.tar"),
		filepath.Join(stopped(t), "b.tar"), // of another server
	} {
		code, out := berth("backup", target, "--data", dir)
		if code != 1 || !strings.Contains(out, "is in the data directory") {
			t.Errorf("backup %s: %d %s", target, code, out)
		}
		if left, err := filepath.Glob(filepath.Join(filepath.Dir(target), "b.tar*")); err != nil || len(left) > 0 {
			t.Errorf("backup %s left %v %v", target, left, err)
		}
	}
	target := filepath.Join(t.TempDir(), "b.tar")
	if code, out := berth("backup", target, "--data", dir); code != 0 {
		t.Errorf("backup %s: %d %s", target, code, out)
	}
	if code, out := berth("restore", target, "--data", filepath.Join(t.TempDir(), "restored")); code != 0 {
		t.Errorf("restore: %d %s", code, out)
	}
}

// berth check names a log segment that is missing, and a log group whose directory is missing. The directory of an
// earlier version, which has no list, is not damaged.
func TestCheckNamesMissingLogs(t *testing.T) {
	dir := stopped(t)
	if code, out := berth("check", "--data", dir); code != 0 || !strings.Contains(out, "0 places damaged") {
		t.Errorf("an earlier version's directory: %d %s", code, out)
	}
	paths, err := filepath.Glob(filepath.Join(dir, "logs", "*", "*.seg"))
	if err != nil || len(paths) == 0 {
		t.Fatal(paths, err)
	}
	group := filepath.Base(filepath.Dir(paths[0]))
	logs, err := logstore.Open(filepath.Join(dir, "logs"), logstore.Limits{}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	if err := logs.Append(group, "s", time.Now(), []logstore.Entry{{Message: "makes the list"}}); err != nil {
		t.Fatal(err)
	}
	if err := logs.Close(); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(paths[0]); err != nil {
		t.Fatal(err)
	}
	if code, out := berth("check", "--data", dir); code != 1 || !strings.Contains(out, paths[0]+" is missing") {
		t.Errorf("%d %s", code, out)
	}
	if err := os.RemoveAll(filepath.Dir(paths[0])); err != nil {
		t.Fatal(err)
	}
	if code, out := berth("check", "--data", dir); code != 1 ||
		!strings.Contains(out, filepath.Dir(paths[0])+" is missing") {
		t.Errorf("%d %s", code, out)
	}
}
