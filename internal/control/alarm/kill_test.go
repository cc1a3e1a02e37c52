package alarm

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"strconv"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/scaling"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// killed is the environment variable with the data directory of the program that TestKill9 kills.
const killed = "BERTH_TEST_ALARM"

func TestMain(m *testing.M) {
	if dir := os.Getenv(killed); dir != "" {
		if err := flap(dir); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func openFile(ctx context.Context, dir string) (*state.Store, error) {
	j, err := file.Open(dir)
	if err != nil {
		return nil, err
	}
	return state.Open(ctx, j, quiet)
}

// flap evaluates an alarm with a period of 10 seconds whose state changes every time, and prints the number
// of changes.
func flap(dir string) error {
	ctx := context.Background()
	store, err := openFile(ctx, dir)
	if err != nil {
		return err
	}
	points, err := meter.Open(dir+"-metrics", meter.Limits{}, quiet)
	if err != nil {
		return err
	}
	a := sample("a", func(a *alarm.Alarm) {
		a.Condition.Period, a.Condition.Periods = 10*time.Second, 1
		a.OKActions, a.AlarmActions, a.InsufficientDataActions = []string{topic}, []string{topic}, []string{topic}
	})
	if err := store.Update(ctx, func(tx *state.Tx) error {
		tx.Alarms.Put(a)
		tx.AlarmStatus.Put(alarm.NewStatus(a.ARN, a.UpdatedAt))
		return nil
	}); err != nil {
		return err
	}
	now := begin
	env := control.Env{Store: store, Logger: quiet, Now: func() time.Time { return now }, Random: zeros{}}
	loop := control.New(env, "alarm", 1, New(env, points, scaling.PaceOfAWS)).Manual()
	for i := 0; ; i++ {
		if err := measure(points, now, now.Truncate(10*time.Second), float64(i%2)*100); err != nil {
			return err
		}
		for loop.Step(ctx) {
		}
		s, _ := store.View().AlarmStatus.Get(a.ARN)
		fmt.Println(s.Transitions)
		now, _ = loop.Due()
	}
}

// Issue 9, sections 1 and 7: after kill -9 the state of an alarm is not lost, and no action is lost or due
// twice.
func TestKill9(t *testing.T) {
	for _, changes := range []int64{1, 33, 250} {
		dir := t.TempDir() + "/data"
		if err := os.MkdirAll(dir, 0o700); err != nil {
			t.Fatal(err)
		}
		cmd := exec.CommandContext(t.Context(), os.Args[0])
		cmd.Env = append(os.Environ(), killed+"="+dir)
		out, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		printed := int64(0)
		for s := bufio.NewScanner(out); s.Scan(); {
			if printed, _ = strconv.ParseInt(s.Text(), 10, 64); printed >= changes {
				cmd.Process.Kill()
			}
		}
		cmd.Wait()
		checkAfterKill(t, dir, printed)
	}
}

func checkAfterKill(t *testing.T, dir string, printed int64) {
	t.Helper()
	store, err := openFile(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	defer store.Close()
	a := sample("a")
	s, _ := store.View().AlarmStatus.Get(a.ARN)
	if printed == 0 || s.Transitions < printed {
		t.Errorf("%d changes of the state, but %d were printed", s.Transitions, printed)
	}
	items := int64(0)
	for h := range store.View().AlarmHistory.Prefix(alarm.HistoryPrefix(a.ARN)) {
		if items++; h.Sequence != max(0, s.Transitions-alarm.KeptItems)+items {
			t.Fatalf("item %d of the history has the number %d, after %d changes", items, h.Sequence, s.Transitions)
		}
	}
	if want := min(s.Transitions, alarm.KeptItems); items != want {
		t.Errorf("%d items of the history, want %d", items, want)
	}
	next, last := int64(1), scaling.InsufficientData
	for d := range store.View().DueActions.All() {
		if d.Transition != next || d.From != last {
			t.Fatalf("after action %d in the state %s comes %+v", next-1, last, d)
		}
		next, last = next+1, d.To
	}
	if next-1 != s.Transitions || last != s.Value {
		t.Errorf("%d actions up to %s, after %d changes up to %s", next-1, last, s.Transitions, s.Value)
	}
}
