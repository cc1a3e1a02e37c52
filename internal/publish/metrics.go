package publish

import (
	"cmp"
	"context"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

// Feed receives the counts of edges as CloudWatch metrics. *feed.Feed implements it. The methods must return quickly
// and may be called concurrently.
type Feed interface {
	// Sample adds a measurement of a present level, such as the number of open connections.
	Sample(age time.Duration, name gather.Name, s gather.Sample)
	// Merge adds values of events that have just happened, such as requests.
	Merge(name gather.Name, s meter.Summary)
}

// Measure makes the publisher report the counts of edges to f. It must be called before Run and Attach.
func (p *Publisher) Measure(f Feed) { p.feed = f }

// Units of metrics.
const (
	count   = "Count"
	bytes   = "Bytes"
	seconds = "Seconds"
)

// counted is a metric that is the sum of counters (alb.md 9.4). If groups is true, each target group has it too.
type counted struct {
	metric   string
	groups   bool
	unit     string
	counters []route.Counter
}

var countedMetrics = []counted{
	{"RequestCount", true, count, []route.Counter{route.Requests}},
	{"HTTPCode_Target_2XX_Count", true, count, []route.Counter{route.TargetStatus + 1}},
	{"HTTPCode_Target_3XX_Count", true, count, []route.Counter{route.TargetStatus + 2}},
	{"HTTPCode_Target_4XX_Count", true, count, []route.Counter{route.TargetStatus + 3}},
	{"HTTPCode_Target_5XX_Count", true, count, []route.Counter{route.TargetStatus + 4}},
	{"HTTPCode_ELB_3XX_Count", false, count, []route.Counter{route.OwnStatus + 2}},
	{"HTTPCode_ELB_4XX_Count", false, count, []route.Counter{route.OwnStatus + 3}},
	{"HTTPCode_ELB_5XX_Count", false, count, []route.Counter{route.OwnStatus + 4}},
	{"HTTPCode_ELB_500_Count", false, count, []route.Counter{route.Own500}},
	{"HTTPCode_ELB_502_Count", false, count, []route.Counter{route.Own502}},
	{"HTTPCode_ELB_503_Count", false, count, []route.Counter{route.Own503}},
	{"HTTPCode_ELB_504_Count", false, count, []route.Counter{route.Own504}},
	{"UnhealthyRoutingRequestCount", true, count, []route.Counter{route.FailOpen}},
	{"NewConnectionCount", false, count, []route.Counter{route.ClientConnections, route.TargetConnections}},
	{"RejectedConnectionCount", false, count, []route.Counter{route.RejectedConnections}},
	{"TargetConnectionErrorCount", true, count, []route.Counter{route.ConnectionErrors}},
	{"TargetTLSNegotiationErrorCount", true, count, []route.Counter{route.TargetTLSErrors}},
	{"ClientTLSNegotiationErrorCount", false, count, []route.Counter{route.ClientTLSErrors}},
	{"ProcessedBytes", false, bytes, []route.Counter{route.ReceivedBytes, route.SentBytes}},
	{"IPv6ProcessedBytes", false, bytes, []route.Counter{route.IPv6Bytes}},
	{"IPv6RequestCount", true, count, []route.Counter{route.IPv6Requests}},
	{"RuleEvaluations", false, count, []route.Counter{route.RuleEvaluations}},
	{"HTTP_Fixed_Response_Count", false, count, []route.Counter{route.FixedResponses}},
	{"HTTP_Redirect_Count", false, count, []route.Counter{route.Redirects}},
	{"HTTP_Redirect_Url_Limit_Exceeded_Count", false, count, []route.Counter{route.RedirectsTooLong}},
	{"NonStickyRequestCount", false, count, []route.Counter{route.NonSticky}},
	{"DesyncMitigationMode_NonCompliant_Request_Count", false, count, []route.Counter{route.NonCompliant}},
	{"DroppedInvalidHeaderRequestCount", false, count, []route.Counter{route.DroppedHeaders}},
}

// subject has what the names of metrics of a load balancer, a target group, or both have in common.
type subject struct {
	scope      string
	dimensions [2]meter.Dimension
}

// subjectOf returns the subject for a load balancer, a target group, or both. Either ARN may be "".
func subjectOf(loadBalancer, group string) (s subject) {
	if loadBalancer != "" {
		s.dimensions[0] = meter.Dimension{Name: "LoadBalancer", Value: elb.MetricName(loadBalancer)}
	}
	if group != "" {
		s.dimensions[1] = meter.Dimension{Name: "TargetGroup", Value: elb.MetricName(group)}
	}
	of := cmp.Or(loadBalancer, group)
	s.scope = meter.Scope(arn.Account(of), arn.Region(of))
	return s
}

func (s subject) metric(name, unit string) gather.Name {
	return gather.Name{Scope: s.scope, Namespace: "AWS/ApplicationELB", Metric: name, Unit: unit,
		Dimensions: s.dimensions}
}

// events is the summary of n events, each of which is a value of 1 (alb.md 9.4).
func events(n uint64) meter.Summary { return meter.StatisticSet(float64(n), float64(n), 1, 1) }

// single is the summary of one value.
func single(v float64) meter.Summary { return meter.StatisticSet(1, v, v, v) }

// passOn reports an increase of a subject's counts to the feed. mu must be held.
func (p *Publisher) passOn(of route.Subject, grown *route.Counts) {
	if p.feed == nil || of.LoadBalancerARN == "" || of.ListenerARN != "" || of.Target != "" {
		return // targets and listeners have no metrics
	}
	PassOn(p.feed, of, grown, func() int { return p.hostsOf(of.TargetGroupARN).serving() })
}

// PassOn reports to feed how much the counts of a load balancer, or of one of its target groups, have grown since the
// last call. serving returns how many targets share the requests of the group.
func PassOn(feed Feed, of route.Subject, grown *route.Counts, serving func() int) {
	subject := subjectOf(of.LoadBalancerARN, of.TargetGroupARN)
	for _, m := range countedMetrics {
		if of.TargetGroupARN != "" && !m.groups {
			continue
		}
		var n uint64
		for _, c := range m.counters {
			n += grown[c]
		}
		if n == 0 {
			continue
		}
		name := subject.metric(m.metric, m.unit)
		if m.unit == count {
			feed.Merge(name, events(n))
		} else {
			feed.Merge(name, single(float64(n)))
		}
	}
	if grown[route.Responses] > 0 {
		feed.Merge(subject.metric("TargetResponseTime", seconds), responseTimes(grown))
	}
	if n := grown[route.Requests]; of.TargetGroupARN != "" && n > 0 {
		perTarget := single(float64(n) / float64(max(serving(), 1)))
		feed.Merge(subject.metric("RequestCountPerTarget", count), perTarget)
		feed.Merge(subjectOf("", of.TargetGroupARN).metric("RequestCountPerTarget", count), perTarget)
	}
}

// responseTimes returns the summary of the response times of targets. Their number and sum are exact. An edge reports
// only how many times are in each interval. The lowest time is taken as the lower bound of its interval, and all others
// as the upper bounds of theirs, so percentiles may be too high but not too low.
func responseTimes(c *route.Counts) meter.Summary {
	n, sum := c[route.Responses], time.Duration(c[route.ResponseNanoseconds]).Seconds()
	var values, counts []float64
	var lower, least float64 // least is a lower bound of the sum
	for i := range len(route.ResponseBounds) + 1 {
		in := float64(c[route.ResponsesWithin+route.Counter(i)])
		if in > 0 && len(values) == 0 {
			values, counts = append(values, lower), append(counts, 1)
			in, least = in-1, lower
		}
		if i < len(route.ResponseBounds) {
			upper := route.ResponseBounds[i].Seconds()
			if in > 0 {
				values, counts = append(values, upper), append(counts, in)
			}
			least, lower = least+in*lower, upper
		} else if in > 0 { // above the last bound: computed from the rest of the sum
			values, counts = append(values, max(sum-least-(in-1)*lower, lower)), append(counts, in)
		}
	}
	if n == 1 || len(values) == 0 {
		return meter.StatisticSet(float64(n), sum, sum/float64(n), sum/float64(n))
	}
	s := meter.Values(values, counts)
	s.Sum = min(max(sum, s.Min*s.Count), s.Max*s.Count)
	return s
}

// hosts has the numbers of healthy, unhealthy and all registered targets of a group.
type hosts struct{ healthy, unhealthy, registered int }

// serving returns how many targets share the group's requests: the healthy ones, or all if none is healthy.
func (h hosts) serving() int {
	if h.healthy > 0 {
		return h.healthy
	}
	return h.registered
}

// hostsOf returns the hosts of a group. It counts them only after a change. mu must be held.
func (p *Publisher) hostsOf(group string) hosts {
	if h, counted := p.hosts[group]; counted {
		return h
	}
	// The caller's snapshot may be older than a change for which followHosts has already deleted the numbers.
	s := p.store.View()
	h := countHosts(&s.Tables, group)
	p.hosts[group] = h
	return h
}

func countHosts(s *state.Tables, group string) (h hosts) {
	for t := range s.Targets.Prefix(elb.TargetPrefix(group)) {
		if t.IsDraining() {
			continue
		}
		h.registered++
		seen, _ := s.TargetHealth.Get(t.Key())
		switch elb.HealthOf(t, seen, true).State {
		case elb.Healthy:
			h.healthy++
		case elb.Unhealthy:
			h.unhealthy++
		}
	}
	return h
}

// Serving returns how many targets of a group share its requests: the healthy ones, or all if none is healthy.
func Serving(t *state.Tables, group string) int { return countHosts(t, group).serving() }

// changedHosts returns the target groups whose hosts a change may affect.
func changedHosts(c state.Change, _ *state.Snapshot) []string {
	switch c := c.(type) {
	case state.Changed[elb.Target]:
		return []string{elb.GroupOfTargetKey(c.Key)}
	case state.Changed[elb.TargetHealth]:
		return []string{elb.GroupOfTargetKey(c.Key)}
	case state.Changed[elb.TargetGroup]:
		return []string{c.Key}
	}
	return nil
}

// followHosts deletes the numbers of a group's hosts when they may have changed, until ctx ends.
func (p *Publisher) followHosts(ctx context.Context) {
	sub := state.Subscribe(p.store, changedHosts)
	defer sub.Close()
	p.mu.Lock()
	clear(p.hosts)
	p.mu.Unlock()
	for {
		groups, err := sub.Next(ctx)
		if err != nil {
			return
		}
		p.mu.Lock()
		for _, g := range groups {
			delete(p.hosts, g)
		}
		p.mu.Unlock()
	}
}

// gaugeEvery is the time between two measurements of gauge. Each minute must have several.
const gaugeEvery = 20 * time.Second

// gauge reports the numbers of healthy hosts and open connections again and again, until ctx ends.
func (p *Publisher) gauge(ctx context.Context) {
	tick := time.NewTicker(gaugeEvery)
	defer tick.Stop()
	for {
		p.gaugeHosts()
		p.gaugeConnections()
		select {
		case <-tick.C:
		case <-ctx.Done():
			return
		}
	}
}

// sample is the sample of one value.
func sample(member string, v float64) gather.Sample {
	return gather.Sample{Member: member, Weight: 1, Count: 1, Sum: v, Min: v, Max: v}
}

func (p *Publisher) gaugeHosts() {
	s := p.store.View()
	for g := range s.TargetGroups.All() {
		p.mu.Lock()
		h := p.hostsOf(g.ARN)
		p.mu.Unlock()
		if h.registered == 0 {
			continue
		}
		for _, lb := range s.LoadBalancersOf(g.ARN) {
			of := subjectOf(lb, g.ARN)
			p.feed.Sample(0, of.metric("HealthyHostCount", count), sample("", float64(h.healthy)))
			p.feed.Sample(0, of.metric("UnHealthyHostCount", count), sample("", float64(h.unhealthy)))
			// RequestCount is reported even if it is 0 (alb.md 9.4).
			p.feed.Merge(subjectOf(lb, "").metric("RequestCount", count), meter.Summary{})
		}
	}
}

func (p *Publisher) gaugeConnections() {
	p.mu.Lock()
	defer p.mu.Unlock()
	for of, sums := range p.sums {
		if of.LoadBalancerARN == "" || of.ListenerARN != "" || of.TargetGroupARN != "" {
			continue
		}
		for edge, last := range sums.last {
			if p.edges[edge] == nil {
				continue
			}
			open := sample(edge, float64(last.Clients+last.Targets))
			open.Idle = open.Sum == 0
			p.feed.Sample(0, subjectOf(of.LoadBalancerARN, "").metric("ActiveConnectionCount", count), open)
		}
	}
}
