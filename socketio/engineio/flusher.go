package engineio

import (
	"runtime"
	"sync"
)

// flusher writes broadcasts: the sender only queues, and workers write. While they are behind, all
// that is queued for a session is sent in one write. It has at most as many workers as there are
// processors, and none while there is nothing to do. Between two chunks a worker lets other
// goroutines run.
type flusher struct {
	limit int
	pause func() // serves what has arrived in the meantime
	wg    sync.WaitGroup

	mu      sync.Mutex
	work    [][]*Session
	workers int
}

// flushChunk is how many sessions a worker takes at a time; their writes take about half a millisecond.
const flushChunk = 64

// FlushLater flushes sessions for which Queue returned true. It returns at once.
func (srv *Server) FlushLater(sessions []*Session) { srv.out.add(sessions) }

func (f *flusher) add(sessions []*Session) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for len(sessions) > 0 {
		n := min(len(sessions), flushChunk)
		f.work = append(f.work, sessions[:n])
		sessions = sessions[n:]
	}
	for f.workers < min(f.limit, len(f.work)) {
		f.workers++
		f.wg.Go(f.run)
	}
}

func (f *flusher) run() {
	for {
		f.mu.Lock()
		if len(f.work) == 0 {
			f.workers--
			f.work = nil
			f.mu.Unlock()
			return
		}
		chunk := f.work[0]
		f.work[0] = nil
		f.work = f.work[1:]
		f.mu.Unlock()
		for _, s := range chunk {
			s.Flush()
		}
		f.pause()
		runtime.Gosched()
	}
}
