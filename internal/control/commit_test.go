package control_test

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/control"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// newID makes an id as controllers do.
func newID(m control.Moment) string {
	var b [8]byte
	if _, err := io.ReadFull(m.Random, b[:]); err != nil {
		panic(err)
	}
	return hex.EncodeToString(b[:])
}

// A step makes one cluster for each existing one. Other writers write between the draft and the transaction.
// The result always equals that of a step on the newest state.
func TestAStepIsDoneOnWhatIsTrue(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		s := open(t)
		defer s.Close()
		env := control.System(s, slog.New(slog.DiscardHandler))
		for range rapid.IntRange(1, 4).Draw(rt, "steps") {
			between := rapid.IntRange(0, 2).Draw(rt, "written between")
			before := s.View().Clusters.Len()
			tries, ids := 0, []string(nil)
			err := env.Commit(t.Context(), "key", func(tx *state.Tx, m control.Moment) error {
				tries++
				if tries == 1 { // this is the draft, so another writer can write
					for range between {
						put(t, s, newID(m))
					}
				}
				ids = nil
				first := newID(m)
				for range tx.Clusters.Len() + 1 {
					ids = append(ids, first+newID(m))
				}
				for _, id := range ids {
					tx.Clusters.Put(&ecs.Cluster{ClusterARN: id})
				}
				return nil
			})
			if err != nil {
				rt.Fatal(err)
			}
			if want := 1 + min(between, 1); tries != want {
				rt.Fatalf("the step was done %d times, want %d", tries, want)
			}
			there := before + between
			if got := s.View().Clusters.Len(); got != there+there+1 || len(ids) != there+1 {
				rt.Fatalf("%d clusters, want %d", got, there+there+1)
			}
			for _, id := range ids {
				if _, ok := s.View().Clusters.Get(id); !ok {
					rt.Fatalf("the ids of the last run of the step were not written")
				}
			}
		}
	})
}

// A step that runs a second time gets the same time and the same ids.
func TestAStepIsRepeatable(t *testing.T) {
	s := open(t)
	env := control.System(s, slog.New(slog.DiscardHandler))
	var moments []string
	for range 2 {
		err := env.Commit(t.Context(), "key", func(tx *state.Tx, m control.Moment) error {
			if len(moments)%2 == 0 {
				put(t, s, "other")
			}
			moments = append(moments, m.Now.String()+newID(m)+newID(m))
			tx.Clusters.Put(&ecs.Cluster{ClusterARN: newID(m)})
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
	}
	if len(moments) != 4 || moments[0] != moments[1] || moments[2] != moments[3] || moments[1] == moments[2] {
		t.Errorf("moments %q", moments)
	}
}

func TestAStepThatChangesNothingWritesNothing(t *testing.T) {
	s := open(t)
	put(t, s, "a")
	env := control.System(s, slog.New(slog.DiscardHandler))
	refused := errors.New("refused")
	for _, end := range []error{nil, refused} {
		before, tries := s.View(), 0
		err := env.Commit(t.Context(), "key", func(tx *state.Tx, m control.Moment) error {
			tries++
			same, _ := tx.Clusters.Get("a")
			copied := *same
			tx.Clusters.Put(&copied)
			if end != nil {
				tx.Clusters.Put(&ecs.Cluster{ClusterARN: "b"})
			}
			return end
		})
		if !errors.Is(err, end) || tries != 1 || s.View() != before {
			t.Errorf("%v: %d tries, revision %d after %d", err, tries, s.View().Rev, before.Rev)
		}
	}
}

func TestPlansAreLogged(t *testing.T) {
	s := open(t)
	put(t, s, "a")
	var log bytes.Buffer
	env := control.System(s, slog.New(slog.NewTextHandler(&log, &slog.HandlerOptions{Level: slog.LevelDebug})))
	err := env.Commit(t.Context(), "the-key", func(tx *state.Tx, m control.Moment) error {
		a, _ := tx.Clusters.Get("a")
		next := *a
		next.Status = "ACTIVE"
		tx.Clusters.Put(&next)
		tx.Clusters.Put(&ecs.Cluster{ClusterARN: "b"})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"plan", "the-key", "ecs.Cluster a: Status=ACTIVE", "ecs.Cluster b: new"} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %q:\n%s", want, log.String())
		}
	}
	if got := slices.Collect(strings.Lines(log.String())); len(got) != 1 {
		t.Errorf("%d lines", len(got))
	}
}
