package publish

import (
	"time"

	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// sums has the counts of all edges for one subject.
type sums struct {
	began time.Time
	total route.Counts
	last  map[string]lastCounts // by edge
}

// lastCounts has the latest counts that an edge reported for a subject, and the epoch of that report.
type lastCounts struct {
	epoch int64
	route.SubjectCounts
}

// count adds the counts of an edge's report. mu must be held.
func (p *Publisher) count(edge string, r *route.Report) {
	if len(r.Counts) == 0 {
		return
	}
	snap := p.store.View()
	for _, c := range r.Counts {
		if !exists(snap, c.Subject) { // it was deleted after the edge sent the report
			continue
		}
		s := p.sums[c.Subject]
		if s == nil {
			s = &sums{began: c.Began, last: map[string]lastCounts{}}
			p.sums[c.Subject] = s
		}
		if grown, ok := s.add(edge, r.Epoch, c); ok {
			p.passOn(c.Subject, &grown)
		}
	}
}

// add adds the increase since the edge's last report, and returns it. ok is false if the report is older than the last
// one; then nothing is added. An edge that has restarted, or has restarted its counters, counts from 0 again.
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
	s.last[edge] = lastCounts{epoch, c}
	return grown, true
}

// Counts returns the counts of each subject that exists, as sums over all edges since the server started. The numbers
// of open connections are sums over the edges that are attached now.
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

// exists reports whether all rows that a subject names exist.
func exists(s *state.Snapshot, of route.Subject) bool {
	return has(&s.LoadBalancers, of.LoadBalancerARN) && has(&s.Listeners, of.ListenerARN) &&
		has(&s.TargetGroups, of.TargetGroupARN) && has(&s.Targets, of.Target)
}

// has reports whether a table has the key. For "" it returns true.
func has[T any](t interface{ Get(string) (*T, bool) }, key string) bool {
	if key == "" {
		return true
	}
	_, ok := t.Get(key)
	return ok
}

// forgetCounts deletes the counts of subjects that no longer exist. gone has the rows that were deleted.
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
