package state_test

import (
	"context"
	"errors"
	"syscall"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// TestBatchAgainstAModel stages random transactions one after the other while an append is under way. Some of
// them fail or panic. The journal then accepts or refuses all of them. The test compares what later
// transactions read, what becomes visible, and every snapshot taken meanwhile, with plain maps.
func TestBatchAgainstAModel(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		g := newGate()
		s := open(t, g)
		durable := model{map[string]ecs.Service{}, map[string]ecs.Task{}}
		staged := durable.clone()
		taken := map[*state.Snapshot]string{}
		rt.Repeat(map[string]func(*rapid.T){
			"stage": func(rt *rapid.T) { staged = stage(rt, s, staged) },
			"disk takes": func(*rapid.T) {
				g.settle(s, nil)
				durable = staged.clone()
			},
			"disk refuses": func(*rapid.T) {
				g.settle(s, syscall.EIO)
				staged = durable.clone()
			},
			"": func(rt *rapid.T) {
				now := s.View()
				taken[now] = now.Dump()
				compare(rt, &now.Tables, durable)
			},
		})
		g.settle(s, nil)
		compare(rt, &s.View().Tables, staged)
		for snap, dump := range taken {
			if got := snap.Dump(); got != dump {
				rt.Fatalf("the snapshot of revision %d was\n%s\nand became\n%s", snap.Rev, dump, got)
			}
		}
		if err := s.Close(); err != nil {
			rt.Fatal(err)
		}
	})
}

// stage runs one random transaction without waiting for the disk and returns
// what is staged after it.
func stage(rt *rapid.T, s *state.Store, before model) (after model) {
	after = before.clone()
	end := rapid.SampledFrom([]string{"commit", "commit", "commit", "fail", "panic"}).Draw(rt, "end")
	ctx, cancel := context.WithCancel(context.Background())
	defer func() {
		if end == "panic" && recover() != any(errAbort) {
			rt.Fatal("Update did not pass the panic to its caller")
		}
	}()
	err := s.Update(ctx, func(tx *state.Tx) error {
		defer cancel() // Update stops waiting once this is staged
		compare(rt, &tx.Tables, before)
		for range rapid.IntRange(0, 6).Draw(rt, "steps") {
			step(rt, tx, after)
		}
		compare(rt, &tx.Tables, after)
		switch end {
		case "fail":
			after = before
			return errAbort
		case "panic":
			after = before
			panic(errAbort)
		}
		return nil
	})
	if err != nil && !errors.Is(err, state.ErrUnknown) && !errors.Is(err, errAbort) {
		rt.Fatal(err)
	}
	return after
}

// settle gives the answer to every append that waits, and to those that follow, until no append is under way.
func (g *gate) settle(s *state.Store, answer error) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		_ = s.Update(context.Background(), func(*state.Tx) error { return nil })
	}()
	for {
		select {
		case <-g.began:
		case g.permit <- answer:
		case <-done:
			return
		}
	}
}
