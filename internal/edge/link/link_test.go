package link

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"reflect"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/route"
)

// fakeEdge records the configurations that it gets.
type fakeEdge struct {
	mu      sync.Mutex
	configs []route.Config
	answer  error
}

func (e *fakeEdge) Apply(_ context.Context, c route.Config) error {
	e.mu.Lock()
	defer e.mu.Unlock()
	e.configs = append(e.configs, c)
	return e.answer
}

// reports collects all reports in one.
type reports struct {
	mu  sync.Mutex
	n   int
	all route.Report
}

func (r *reports) Report(more route.Report) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.n++
	r.all.Epoch = more.Epoch
	r.all.Targets, r.all.Counts = append(r.all.Targets, more.Targets...), append(r.all.Counts, more.Counts...)
}

// connect runs both ends over a pipe. It returns the control plane's end, the reports that it gets, and a function
// that cuts the connection.
func connect(t *testing.T, c *Client, e Edge) (*Remote, *reports, func()) {
	here, there := net.Pipe()
	var running sync.WaitGroup
	running.Go(func() { c.Run(t.Context(), there, e) })
	r, err := Accept(here)
	if err != nil {
		t.Fatal(err)
	}
	heard := &reports{}
	running.Go(func() { r.Run(t.Context(), heard) })
	return r, heard, func() { here.Close(); running.Wait() }
}

// Configurations and reports of any size arrive complete, in frames that are not too large, and the edge's answer
// comes back.
func TestConfigurationsAndReportsArrive(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := &fakeEdge{}, NewClient("one")
		r, heard, cut := connect(t, c, e)
		defer cut()
		if r.ID() != "one" {
			t.Error(r.ID())
		}
		cfg := route.Config{
			Revision: 7, Since: 5, Addresses: map[string]netip.Addr{}, Gone: route.Gone{Rules: []string{"r"}},
		}
		report := route.Report{Epoch: 3}
		for i := range 1000 {
			lb := fmt.Sprint("lb", i)
			cfg.LoadBalancers = append(cfg.LoadBalancers, elb.LoadBalancer{ARN: lb, Name: strings.Repeat("n", 500)})
			cfg.Addresses[lb] = netip.AddrFrom4([4]byte{10, 0, byte(i >> 8), byte(i)})
			cfg.Targets = append(cfg.Targets, elb.Target{TargetGroupARN: "g", ID: lb})
			report.Targets = append(report.Targets, elb.Verdict{Key: lb, State: elb.Healthy})
			report.Counts = append(report.Counts,
				route.SubjectCounts{Subject: route.Subject{Target: lb}, Counts: route.Counts{route.Requests: 1}})
		}
		if err := r.Apply(t.Context(), cfg); err != nil {
			t.Fatal(err)
		}
		if len(e.configs) != 1 || !reflect.DeepEqual(e.configs[0], cfg) {
			t.Error("another configuration arrived")
		}
		c.Report(report)
		synctest.Wait()
		if len(heard.all.Targets) != 1000 || len(heard.all.Counts) != 1000 || heard.all.Epoch != 3 || heard.n < 2 {
			t.Errorf("%d verdicts, %d counts in %d reports", len(heard.all.Targets), len(heard.all.Counts), heard.n)
		}
		e.answer = route.ErrGap
		if err := r.Apply(t.Context(), route.Config{}); !errors.Is(err, route.ErrGap) {
			t.Error(err)
		}
		e.answer = errors.New("no")
		if err := r.Apply(t.Context(), route.Config{}); err == nil || !strings.Contains(err.Error(), "no") {
			t.Error(err)
		}
	})
}

// An end that receives nothing closes the stream. If there is only nothing to say, both ends stay connected.
func TestSilenceEndsTheStream(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r, _, cut := connect(t, NewClient("one"), &fakeEdge{})
		time.Sleep(10 * silence)
		if err := r.Apply(t.Context(), route.Config{}); err != nil {
			t.Error("an idle stream", err)
		}
		cut()
		if err := r.Apply(t.Context(), route.Config{}); !errors.Is(err, ErrEnded) {
			t.Error(err)
		}
		here, there := net.Pipe() // nothing answers at the other end
		go func() {
			s := newStream(there)
			s.send(message{Hello: &hello{version, "mute"}})
			s.silent.Stop()
			io.Copy(io.Discard, there)
		}()
		mute, err := Accept(here)
		if err != nil {
			t.Fatal(err)
		}
		began, ended := time.Now(), make(chan error)
		go func() { ended <- mute.Run(t.Context(), &reports{}) }()
		if err := mute.Apply(t.Context(), route.Config{}); !errors.Is(err, ErrEnded) {
			t.Error(err)
		}
		if <-ended; time.Since(began) != silence {
			t.Errorf("ended after %v", time.Since(began))
		}
	})
}

// An edge that loses its connection keeps serving until its lease ends, and then serves nothing. Only after that, the
// control plane detaches it. If the edge is connected again in time, it serves without interruption.
func TestLease(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		e, c := &fakeEdge{}, NewClient("one")
		r, _, cut := connect(t, c, e)
		full := route.Config{Revision: 7, Targets: []elb.Target{{ID: "10.0.0.1"}}}
		serves := func() bool {
			synctest.Wait()
			e.mu.Lock()
			defer e.mu.Unlock()
			return len(e.configs[len(e.configs)-1].Targets) > 0
		}
		apply := func(r *Remote) {
			t.Helper()
			if err := r.Apply(t.Context(), full); err != nil || !serves() {
				t.Fatal(err)
			}
		}
		apply(r)
		time.Sleep(10 * Lease)
		cut()
		time.Sleep(Lease - 4*beat) // what was confirmed last may have been sent two beats before
		if !serves() {
			t.Error("an edge that was cut off stopped before its lease had ended")
		}
		r, _, cut = connect(t, c, e)
		time.Sleep(2 * beat)
		if !serves() {
			t.Error("an edge that was connected again in time stopped")
		}
		apply(r)
		cut()
		time.Sleep(time.Until(r.LeaseEnd()) - leaseMargin)
		if serves() {
			t.Errorf("the edge serves %v after the start although its lease has ended", time.Since(began))
		}
		r, _, cut = connect(t, c, e)
		defer cut()
		apply(r)
	})
}

// If the control plane only sends and receives nothing, the edge stops serving, because its messages are not confirmed.
func TestLeaseEndsWithoutConfirmation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		e, c := &fakeEdge{}, NewClient("one")
		here, there := net.Pipe()
		ended := make(chan error, 1)
		go func() { ended <- c.Run(t.Context(), there, e) }()
		s := newStream(here)
		defer s.close()
		hello, err := s.receive()
		if err != nil {
			t.Fatal(err)
		}
		go func() {
			for {
				if _, err := s.receive(); err != nil {
					return
				}
			}
		}()
		began := time.Now()
		first := message{Heard: hello.Sent, Config: &part{Config: route.Config{Revision: 1}}}
		for m := first; s.send(m) == nil; m = (message{Heard: hello.Sent}) {
			time.Sleep(beat)
		}
		if err := <-ended; !errors.Is(err, ErrLeaseEnded) {
			t.Error(err)
		}
		if took := time.Since(began); took < Lease || took > Lease+beat {
			t.Errorf("the lease ended after %v", took)
		}
		if n := len(e.configs); n != 2 || e.configs[1].Revision != 0 {
			t.Errorf("the edge was given %+v", e.configs)
		}
	})
}

func TestStrangersAreRefused(t *testing.T) {
	for _, said := range []message{{}, {Hello: &hello{version + 1, "new"}}, {Hello: &hello{version, ""}}} {
		here, there := net.Pipe()
		go newStream(there).send(said)
		if _, err := Accept(here); err == nil {
			t.Errorf("%+v was accepted", said)
		}
		if _, err := here.Write([]byte("x")); err == nil {
			t.Error("the connection is open")
		}
		there.Close()
	}
}

// stream is a connection that reads from a buffer.
type buffer struct{ *bytes.Reader }

func (buffer) Write(p []byte) (int, error) { return len(p), nil }
func (buffer) Close() error                { return nil }

// For any bytes, reading ends with an error or a message, and needs no more memory than the largest frame.
func FuzzReceive(f *testing.F) {
	f.Add([]byte("\x00\x00\x00\x02{}"))
	f.Add([]byte("\xff\xff\xff\xff{}"))
	f.Add([]byte("\x00\x00\x00\x1e{\"Hello\":{\"Version\":1,\"Edge\":1}}"))
	f.Fuzz(func(t *testing.T, data []byte) {
		s := newStream(buffer{bytes.NewReader(data)})
		defer s.close()
		for {
			if _, err := s.receive(); err != nil {
				return
			}
		}
	})
}

// The parts of a message have everything once, and none is too large for a frame.
func TestSplitAndJoin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		size := rapid.IntRange(0, 100_000)
		cfg := route.Config{Revision: 2, Since: 1, Addresses: map[string]netip.Addr{}}
		for range rapid.IntRange(0, 20).Draw(t, "rules") {
			cfg.Rules = append(cfg.Rules, elb.Rule{ARN: strings.Repeat("r", size.Draw(t, "size"))})
		}
		for range rapid.IntRange(0, 20).Draw(t, "targets") {
			cfg.Targets = append(cfg.Targets, elb.Target{ID: strings.Repeat("t", size.Draw(t, "size"))})
		}
		parts, err := splitConfig(cfg)
		if err != nil {
			t.Fatal(err)
		}
		var back route.Config
		for i := range parts {
			text, err := json.Marshal(message{Config: &parts[i]})
			if err != nil || len(text) > maxFrame || parts[i].More != (i < len(parts)-1) {
				t.Fatalf("part %d of %d has %d bytes (%v)", i, len(parts), len(text), err)
			}
			join(&back, &parts[i])
		}
		if !reflect.DeepEqual(back, cfg) {
			t.Fatal("the parts are not the whole")
		}
	})
}
