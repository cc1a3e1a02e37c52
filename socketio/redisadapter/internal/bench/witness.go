//go:build linux

package main

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// witness is one more client. It measures round trips all the time, and reconnects at once. Its process has no other
// clients.
type witness struct {
	addr string
	mu   sync.Mutex
	took []float64
}

// take returns the round trips since its last call, in milliseconds.
func (w *witness) take() []float64 {
	w.mu.Lock()
	defer w.mu.Unlock()
	took := w.took
	w.took = nil
	return took
}

func (w *witness) run() {
	for {
		w.visit()
		time.Sleep(10 * time.Millisecond)
	}
}

// visit connects and measures round trips until the connection ends.
func (w *witness) visit() {
	var g link.Group
	defer g.Close()
	frames := make(chan string, 100)
	ended := false
	c, err := lean.Dial(&g, w.addr, path, func(_ *lean.Client, f lean.Frame) {
		if f.Op != wsframe.Text {
			if !ended { // a close frame and the end of the connection both come here
				close(frames)
			}
			ended = true
			return
		}
		select {
		case frames <- string(f.Data):
		default:
		}
	})
	if err != nil {
		return
	}
	for joined := false; !joined; {
		got, ok := <-frames
		if !ok {
			return
		}
		if got[0] == '0' {
			_ = c.Send("40") // if this fails, the end of the connection follows
		}
		joined = strings.HasPrefix(got, "40")
	}
	for n := 0; ; n++ {
		start := time.Now()
		answer := fmt.Sprintf(`43%d["x"]`, n)
		if c.Send(fmt.Sprintf(`42%d["ack","x"]`, n)) != nil {
			return
		}
		for got := ""; got != answer; {
			var ok bool
			if got, ok = <-frames; !ok {
				return
			}
		}
		w.mu.Lock()
		w.took = append(w.took, float64(time.Since(start).Microseconds())/1000)
		w.mu.Unlock()
		time.Sleep(20 * time.Millisecond)
	}
}
