package service

import (
	"sync"

	"github.com/berthhq/berth/internal/launch"
	"github.com/berthhq/berth/internal/sched"
	"github.com/berthhq/berth/internal/state"
)

// worlds is a launch.Worlds that the steps of several services may use concurrently. The mutex is not
// in package launch, because that is pure.
type worlds struct {
	mu  sync.Mutex
	all launch.Worlds
}

func (w *worlds) of(t *state.Tables, clusterARN string) sched.World {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.all.Of(t, clusterARN)
}
