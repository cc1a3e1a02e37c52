package publish

import (
	"time"

	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// sums is what edges have counted of one subject.
type sums struct {
	began time.Time
	total route.Counts
	last  map[string]said // by edge
}

// said is what an edge last said of a subject.
type said struct {
	epoch int64
	route.SubjectCounts
}

// count takes in what an edge has counted. mu is held.
func (p *Publisher) count(edge string, r *route.Report) {
	if len(r.Counts) == 0 {
		return
	}
	snap := p.store.View()
	for _, c := range r.Counts {
		if !exists(snap, c.Subject) { // it was deleted while the report was on its way
			continue
		}
		s := p.sums[c.Subject]
		if s == nil {
			s = &sums{began: c.Began, last: map[string]said{}}
			p.sums[c.Subject] = s
		}
		if grown, ok := s.add(edge, r.Epoch, c); ok {
			p.passOn(c.Subject, &grown)
		}
	}
}

// add adds what has grown since the edge's last report, and returns it; ok is false when the report is older than
// what is known. An edge that was started anew, or has begun to count anew, counts from 0.
func (s *sums) add(edge string, epoch int64, c route.SubjectCounts) (grown route.Counts, ok bool) {
	grown = c.Counts
	if last, ok := s.last[edge]; ok {
		switch {
		case epoch < last.epoch, epoch == last.epoch && c.Began.Before(last.Began):
			return grown, false
		case epoch == last.epoch && c.Began.Equal(last.Began):
			if grown, ok = c.Counts.Since(&last.Counts); !ok {
				return grown, false
			}
		}
	}
	s.total.Add(&grown)
	s.last[edge] = said{epoch, c}
	return grown, true
}

// Counts returns what all edges have counted of everything there is, in sum and since the server's
// start. What is open now is that of the edges that are attached.
func (p *Publisher) Counts() []route.SubjectCounts {
	snap := p.store.View()
	p.mu.Lock()
	defer p.mu.Unlock()
	out := make([]route.SubjectCounts, 0, len(p.sums))
	for subject, s := range p.sums {
		if !exists(snap, subject) {
			delete(p.sums, subject)
			continue
		}
		sum := route.SubjectCounts{Subject: subject, Began: s.began, Counts: s.total}
		for edge, last := range s.last {
			if p.edges[edge] != nil {
				sum.Clients += last.Clients
				sum.Targets += last.Targets
				sum.Sockets += last.Sockets
			}
		}
		out = append(out, sum)
	}
	return out
}

// exists reports whether what was counted is there still.
func exists(s *state.Snapshot, of route.Subject) bool {
	return has(&s.LoadBalancers, of.LoadBalancerARN) && has(&s.Listeners, of.ListenerARN) &&
		has(&s.TargetGroups, of.TargetGroupARN) && has(&s.Targets, of.Target)
}

// has reports whether a table has the key; no key asks for nothing.
func has[T any](t interface{ Get(string) (*T, bool) }, key string) bool {
	if key == "" {
		return true
	}
	_, ok := t.Get(key)
	return ok
}

// forgetCounts drops what was counted of what is not there any more.
func (p *Publisher) forgetCounts(gone route.Gone) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, key := range gone.Targets {
		delete(p.sums, route.Subject{Target: key})
	}
	if len(gone.LoadBalancers)+len(gone.Listeners)+len(gone.TargetGroups) == 0 {
		return
	}
	snap := p.store.View()
	for subject := range p.sums {
		if !exists(snap, subject) {
			delete(p.sums, subject)
		}
	}
}
