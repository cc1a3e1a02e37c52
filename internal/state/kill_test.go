//go:build linux

package state_test

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"strconv"
	"sync"
	"testing"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// The test binary runs again as a child of these tests. The environment has the child's role and the path of
// its data.
const (
	childRole = "BERTH_STATE_TEST_CHILD"
	childPath = "BERTH_STATE_TEST_PATH"
)

func TestMain(m *testing.M) {
	switch os.Getenv(childRole) {
	case "":
		os.Exit(m.Run())
	case "writer":
		exit(writeUntilKilled(os.Getenv(childPath)))
	case "file-limit":
		exit(writeBelowFileLimit(os.Getenv(childPath)))
	}
}

func exit(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	os.Exit(0)
}

func child(t *testing.T, role, path string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), childRole+"="+role, childPath+"="+path)
	cmd.Stderr = t.Output()
	return cmd
}

const writers = 16

// writeUntilKilled counts up in many rows, two values in each, and prints each count after the update has
// returned. The journal is compacted again and again.
func writeUntilKilled(path string) error {
	s, err := openDir(path)
	if err != nil {
		return err
	}
	var running sync.WaitGroup
	running.Go(func() {
		for {
			if err := s.Compact(context.Background()); err != nil {
				exit(err)
			}
		}
	})
	for w := range writers {
		running.Go(func() {
			for {
				count := 0
				err := s.Update(context.Background(), func(tx *state.Tx) error {
					count = countOf(&tx.Tables, w) + 1
					tx.Clusters.Put(&ecs.Cluster{ClusterARN: rowKey(w), Status: strconv.Itoa(count)})
					tx.Services.Put(&ecs.Service{ServiceARN: rowKey(w), DesiredCount: count})
					return nil
				})
				if err != nil {
					exit(err)
				}
				fmt.Printf("%d %d\n", w, count)
			}
		})
	}
	running.Wait()
	return nil
}

func rowKey(w int) string { return fmt.Sprintf("row %d", w) }

func countOf(t *state.Tables, w int) int {
	if s, ok := t.Services.Get(rowKey(w)); ok {
		return s.DesiredCount
	}
	return 0
}

// TestKilledAtRandomMoments kills a writing process again and again, and compares what was acknowledged with
// what is stored afterwards.
func TestKilledAtRandomMoments(t *testing.T) {
	path := t.TempDir()
	answered := make([]int, writers)
	rounds, total := 25, 0
	if testing.Short() {
		rounds = 5
	}
	for round := range rounds {
		total += killAfter(t, path, rand.IntN(300), answered)
		s, err := openDir(path)
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		for w := range writers {
			got := countOf(&s.View().Tables, w)
			// One more update of each writer may be stored without having been acknowledged.
			if got != answered[w] && got != answered[w]+1 {
				t.Fatalf("round %d, row %d: count %d is there, %d was answered", round, w, got, answered[w])
			}
			if c, ok := s.View().Clusters.Get(rowKey(w)); ok && c.Status != strconv.Itoa(got) {
				t.Fatalf("round %d, row %d: only half of an update is stored: %s and %d", round, w, c.Status, got)
			}
			answered[w] = got
		}
		if err := s.Close(); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d answered updates in %d rounds, none lost", total, rounds)
}

// killAfter starts the writer, kills it after n answers were read, and records all its answers, also those
// still in the pipe.
func killAfter(t *testing.T, path string, n int, answered []int) (total int) {
	t.Helper()
	cmd := child(t, "writer", path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := bufio.NewReader(out)
	for {
		if total == n {
			cmd.Process.Kill()
		}
		line, err := lines.ReadString('\n')
		if err == io.EOF {
			break // an incomplete line is no answer
		}
		var w, count int
		if _, scan := fmt.Sscanf(line, "%d %d\n", &w, &count); err != nil || scan != nil {
			t.Fatalf("child wrote %q: %v, %v", line, err, scan)
		}
		answered[w] = max(answered[w], count)
		total++
	}
	if err := cmd.Wait(); err == nil || total < n {
		t.Fatalf("child ended by itself after %d answers", total)
	}
	return total
}
