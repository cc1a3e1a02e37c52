package meter

import (
	"bufio"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"
)

// writer is the program that TestKill9 kills. It puts one point a minute, by a simulated clock, and prints
// the minute after each Tick.
func writer(dir string) {
	s, err := Open(dir, Limits{}, discard)
	if err != nil {
		panic(err)
	}
	for i := 0; ; i++ {
		now := begin.Add(time.Duration(i) * time.Minute)
		if err := s.Put(now, []Datum{one("a", now, float64(i))}); err != nil {
			panic(err)
		}
		if err := s.Tick(now); err != nil {
			panic(err)
		}
		fmt.Println(i)
	}
}

// Issue 9, section 1: kill -9 loses at most the points of the last minute, and leaves no damage.
func TestKill9(t *testing.T) {
	for _, minutes := range []int{3, 40, 700} {
		dir := t.TempDir()
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), "BERTH_TEST_METER="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		last := 0
		for lines := bufio.NewScanner(out); lines.Scan(); {
			last, _ = strconv.Atoi(lines.Text())
			if last == minutes {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		if _, err := Check(dir, func(err error) { t.Errorf("damage after a kill: %v", err) }); err != nil {
			t.Error(err)
		}
		s := open(t, dir, Limits{})
		got, err := s.Read(metric("a"), "Percent", begin, begin.AddDate(1, 0, 0), time.Minute)
		if err != nil || len(got) < last+1 {
			t.Errorf("%d points after the minute %d, %v", len(got), last, err)
		}
	}
}
