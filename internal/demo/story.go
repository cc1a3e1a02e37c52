package demo

import (
	"context"
	"fmt"
	"io"
	"os"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/quote"
)

// Codes for a terminal: cut lines at its width, break them as usual, empty the line.
const oneLine, wrapped, erase = "\x1b[?7l", "\x1b[?7h", "\x1b[2K"

// story prints what has been done, what is being waited for, and why. On a terminal it rewrites the last line;
// elsewhere each new reason is a line.
type story struct {
	mu       sync.Mutex
	out      io.Writer
	terminal bool
	began    time.Time
	last     string
	frame    int
}

func newStory(out io.Writer) *story {
	s := &story{out: out, began: time.Now()}
	if f, ok := out.(*os.File); ok {
		if info, err := f.Stat(); err == nil {
			s.terminal = info.Mode()&os.ModeCharDevice != 0
		}
	}
	return s
}

// done prints a step that is complete.
func (s *story) done(format string, args ...any) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.clear()
	quote.Fprintf(s.out, "  \u2714 %5.1fs  %s\n", time.Since(s.began).Seconds(), fmt.Sprintf(format, args...))
	s.last = ""
}

// waits prints what is being waited for, and why.
func (s *story) waits(what string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.terminal {
		s.clear()
		s.frame++
		quote.Fprintf(s.out, oneLine+"  %c %5.1fs  %s"+wrapped,
			[]rune("\u280b\u2819\u2839\u2838\u283c\u2834\u2826\u2827")[s.frame%8],
			time.Since(s.began).Seconds(), what)
		s.last = what
		return
	}
	if what != s.last {
		quote.Fprintf(s.out, "  \u2026 %5.1fs  %s\n", time.Since(s.began).Seconds(), what)
		s.last = what
	}
}

func (s *story) clear() {
	if s.terminal && s.last != "" {
		fmt.Fprint(s.out, "\r"+erase)
	}
}

// until calls look until it returns no reason to wait, and prints the reasons meanwhile.
func (s *story) until(ctx context.Context, look func() (reason string, err error)) error {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	for {
		reason, err := look()
		if err != nil || reason == "" {
			return err
		}
		s.waits(reason)
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-tick.C:
		}
	}
}
