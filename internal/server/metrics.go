package server

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/edge"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/state"
)

// meters are what GET /_berth/metrics tells, in Prometheus's formats. docs/metrics.md describes each of them.
type meters struct {
	page     http.Handler
	registry *prometheus.Registry
	// balancers are the load balancers and target groups that there are; of others nothing is counted, and what was counted of them is
	// forgotten.
	balancers func() balancers
	seen      sync.Map // of series: what has been counted since it was last forgotten

	calls     *prometheus.CounterVec
	callTimes *prometheus.HistogramVec
	requests  *prometheus.CounterVec
	responses *prometheus.HistogramVec
}

// series is the labels of what is counted for a load balancer and one of its target groups, by their ARNs.
type series struct{ loadBalancer, targetGroup string }

// balancers tells what exists.
type balancers interface {
	HasLoadBalancer(arn string) bool
	HasTargetGroup(arn string) bool
}

func newMeters(now func() balancers) *meters {
	m := &meters{
		balancers: now,
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_api_calls_total", Help: "API calls by service, action and the code of the fault they were answered with (empty for success).",
		}, []string{"service", "action", "code"}),
		callTimes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "berth_api_call_seconds", Help: "How long API calls took to answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // 0.5 ms, about one write to a fast disk, to 8 s
		}, []string{"service"}),
		requests: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_load_balancer_requests_total", Help: "Requests by load balancer, target group (empty when sent to none), and class of the status answered.",
		}, []string{"load_balancer", "target_group", "status"}),
		responses: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "berth_target_response_seconds", Help: "From the moment a request was sent to a target until its response began.",
		}, []string{"load_balancer", "target_group"}),
	}
	all := prometheus.NewRegistry()
	all.MustRegister(m.calls, m.callTimes, m.requests, m.responses,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry = all
	m.page = promhttp.HandlerFor(all, promhttp.HandlerOpts{})
	return m
}

// call counts an API call. Only calls of known actions carry their names, so that nobody can fill memory by making names up.
func (m *meters) call(o awswire.Outcome) {
	m.calls.WithLabelValues(o.Call.Service, o.Call.Action, o.Code).Inc()
	m.callTimes.WithLabelValues(o.Call.Service).Observe(o.Took.Seconds())
}

// ServeHTTP writes the page.
func (m *meters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.forget()
	m.page.ServeHTTP(w, r)
}

// request counts a request to a load balancer. One that ends after its load balancer or target group was deleted is not counted.
func (m *meters) request(e *edge.Entry) {
	at := series{e.LoadBalancerARN, e.TargetGroupARN}
	if !exists(m.balancers(), at) {
		return
	}
	m.seen.LoadOrStore(at, nil)
	lb, group := named(e.LoadBalancerARN), named(e.TargetGroupARN)
	m.requests.WithLabelValues(lb, group, fmt.Sprintf("%dxx", e.Status/100)).Inc()
	if e.Target1st >= 0 {
		m.responses.WithLabelValues(lb, group).Observe(e.Target1st.Seconds())
	}
}

func exists(b balancers, at series) bool {
	return b.HasLoadBalancer(at.loadBalancer) && (at.targetGroup == "" || b.HasTargetGroup(at.targetGroup))
}

// forget drops what was counted for load balancers and target groups that are deleted.
func (m *meters) forget() {
	now := m.balancers()
	for key := range m.seen.Range {
		at := key.(series)
		if exists(now, at) {
			continue
		}
		m.seen.Delete(key)
		labels := prometheus.Labels{"load_balancer": named(at.loadBalancer), "target_group": named(at.targetGroup)}
		m.requests.DeletePartialMatch(labels)
		m.responses.DeletePartialMatch(labels)
	}
}

// forgetDeleted forgets as soon as something is deleted, whether or not somebody reads the page.
func (m *meters) forgetDeleted(ctx context.Context, store *state.Store) error {
	sub := store.Subscribe(func(c state.Change) []string {
		switch c.Old.(type) {
		case *elb.LoadBalancer, *elb.TargetGroup:
			return []string{"balancers"}
		}
		return nil
	})
	defer sub.Close()
	for {
		if _, err := sub.Next(ctx); err != nil {
			return err
		}
		m.forget()
	}
}

// stored are the load balancers and target groups of a snapshot.
type stored struct{ *state.Snapshot }

func (s stored) HasLoadBalancer(arn string) bool { _, ok := s.LoadBalancers.Get(arn); return ok }
func (s stored) HasTargetGroup(arn string) bool  { _, ok := s.TargetGroups.Get(arn); return ok }

// named is the end of an ARN that CloudWatch uses in dimensions: app/NAME/ID of a load balancer, targetgroup/NAME/ID of a target group.
func named(arn string) string {
	resource := arn[strings.LastIndexByte(arn, ':')+1:]
	return strings.TrimPrefix(resource, "loadbalancer/")
}
