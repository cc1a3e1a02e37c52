package demo

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/cookiejar"
	"sync"
	"sync/atomic"
	"time"
)

// visitors are clients of the chat that load its page as fast as they are asked to. Each has its own cookies, so the
// load balancer spreads them over the tasks; a visitor begins anew after some pages, so new tasks get some too.
type visitors struct {
	url      string
	rate     atomic.Int64 // pages a second, of all visitors together
	answered atomic.Int64
	failed   atomic.Int64
	failure  atomic.Pointer[string] // the first one
	running  sync.WaitGroup
}

const (
	visitorsAtOnce = 32
	pagesOfAVisit  = 20
	ticksASecond   = 20
)

// visit starts the visitors; they end with ctx.
func visit(ctx context.Context, url string) *visitors {
	v := &visitors{url: url}
	pages := make(chan struct{}, 1000)
	v.running.Go(func() { v.ask(ctx, pages) })
	for range visitorsAtOnce {
		v.running.Go(func() {
			for ctx.Err() == nil {
				v.session(ctx, pages)
			}
		})
	}
	return v
}

// ask puts as many pages into the queue as the rate wants. What the visitors do not manage is not made up for.
func (v *visitors) ask(ctx context.Context, pages chan<- struct{}) {
	tick := time.NewTicker(time.Second / ticksASecond)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		for range v.rate.Load() / ticksASecond {
			select {
			case pages <- struct{}{}:
			default:
			}
		}
	}
}

// session is one visitor: it loads some pages with the same cookies and the same connection.
func (v *visitors) session(ctx context.Context, pages <-chan struct{}) {
	jar, err := cookiejar.New(nil)
	if err != nil {
		v.fail(err)
		return
	}
	transport := &http.Transport{DisableCompression: true}
	defer transport.CloseIdleConnections()
	client := &http.Client{Jar: jar, Transport: transport, Timeout: 30 * time.Second}
	for range pagesOfAVisit {
		select {
		case <-ctx.Done():
			return
		case <-pages:
		}
		if err := load(ctx, client, v.url); err == nil {
			v.answered.Add(1)
		} else if ctx.Err() == nil {
			v.fail(err)
		}
	}
}

func (v *visitors) fail(err error) {
	v.failed.Add(1)
	text := err.Error()
	v.failure.CompareAndSwap(nil, &text)
}

func load(ctx context.Context, client *http.Client, url string) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return err
	}
	resp, err := client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if _, err := io.Copy(io.Discard, resp.Body); err != nil {
		return err
	}
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("the load balancer answers %s", resp.Status)
	}
	return nil
}

// result returns an error if a page was not answered.
func (v *visitors) result() error {
	if n := v.failed.Load(); n > 0 {
		return fmt.Errorf("%d of %d pages failed; the first one: %s", n, n+v.answered.Load(), *v.failure.Load())
	}
	return nil
}
