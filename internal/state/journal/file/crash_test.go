//go:build unix

package file

import (
	"bytes"
	"context"
	"fmt"
	"iter"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/berthhq/berth/internal/state/journal"
)

// The test binary runs again as a child of TestKilledAtEveryStep. The environment has the directory, the step
// at which the child dies, and at which time that it reaches the step.
const (
	childDir  = "BERTH_FILE_TEST_PATH"
	childStep = "BERTH_FILE_TEST_STEP"
	childTime = "BERTH_FILE_TEST_TIME" // the child dies when it reaches the step for this time, counted from 1
)

func TestMain(m *testing.M) {
	if dir := os.Getenv(childDir); dir != "" {
		if err := writeUntilKilled(dir); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// writeUntilKilled appends, compacts and appends, and prints the newest
// revision after each append that succeeded.
func writeUntilKilled(dir string) error {
	j, err := Open(dir)
	if err != nil {
		return err
	}
	left, err := strconv.Atoi(os.Getenv(childTime))
	if err != nil {
		return err
	}
	j.reached = func(step string) {
		if step != os.Getenv(childStep) {
			return
		}
		if left--; left == 0 {
			syscall.Kill(os.Getpid(), syscall.SIGKILL)
			select {}
		}
	}
	for range 3 {
		if err := appendMany(j, 7, 50); err != nil {
			return err
		}
		if err := j.Compact(context.Background(), j.rev, 1, parts(j.rev)); err != nil {
			return err
		}
	}
	return appendMany(j, 3, 5)
}

func appendMany(j *Journal, batches, size int) error {
	for range batches {
		var batch []journal.Entry
		for i := range size {
			rev := j.rev + 1 + uint64(i)
			batch = append(batch, journal.Entry{Rev: rev, Term: 1, Data: fmt.Append(nil, rev)})
		}
		if err := j.Append(context.Background(), batch); err != nil {
			return err
		}
		fmt.Println(j.rev)
	}
	return nil
}

// parts makes a snapshot of 1 MB. Each of its parts starts with the revision.
func parts(rev uint64) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for range 10 {
			if !yield(part(rev), nil) {
				return
			}
		}
	}
}

func part(rev uint64) []byte { return fmt.Append(nil, rev, strings.Repeat(".", 100_000)) }

// TestKilledAtEveryStep kills a writer at each step of appends and compactions. All that was acknowledged is
// still stored, and a new writer can append to the file.
func TestKilledAtEveryStep(t *testing.T) {
	steps := []string{
		"append: begun", "append: committed",
		"compact: parts written", "compact: staged", "compact: complete", "compact: in force",
	}
	for _, step := range steps {
		for time := 1; time <= 3; time++ {
			t.Run(fmt.Sprintf("%s %d", step, time), func(t *testing.T) {
				dir := t.TempDir()
				for round := range 2 {
					acknowledged := killedAt(t, dir, step, time)
					newest := checkHistory(t, dir)
					if newest < acknowledged {
						t.Fatalf("round %d: revision %d is the newest, %d was acknowledged", round,
							newest, acknowledged)
					}
				}
			})
		}
	}
}

// killedAt runs the writer until it dies and returns the last revision it
// printed.
func killedAt(t *testing.T, dir, step string, time int) (acknowledged uint64) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childDir+"="+dir, childStep+"="+step, childTime+"="+strconv.Itoa(time))
	cmd.Stderr = t.Output()
	out, err := cmd.Output()
	if status, ok := cmd.ProcessState.Sys().(syscall.WaitStatus); !ok || status.Signal() != syscall.SIGKILL {
		t.Fatalf("child: %v, want it killed\n%s", err, out)
	}
	for line := range bytes.Lines(out) {
		if _, err := fmt.Sscan(string(line), &acknowledged); err != nil {
			t.Fatal(err)
		}
	}
	return acknowledged
}

// checkHistory opens the directory and checks that it has a whole snapshot, or none, and all entries after
// it. It returns the newest revision.
func checkHistory(t *testing.T, dir string) (newest uint64) {
	t.Helper()
	j, err := Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer j.Close()
	found := 0
	for e, err := range j.Replay(t.Context(), 0) {
		switch {
		case err != nil:
			t.Fatal(err)
		case e.Part:
			found++
			newest = e.Rev
			if !bytes.Equal(e.Data, part(e.Rev)) {
				t.Fatalf("part %d of the snapshot at %d is wrong", found, e.Rev)
			}
		case e.Rev != newest+1 || string(e.Data) != fmt.Sprint(e.Rev):
			t.Fatalf("entry %d %q follows revision %d", e.Rev, e.Data, newest)
		default:
			newest = e.Rev
		}
	}
	if found != 0 && found != 10 {
		t.Fatalf("%d parts of the snapshot, want all 10", found)
	}
	return newest
}
