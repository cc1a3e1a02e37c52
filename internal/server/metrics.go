package server

import (
	"context"
	"fmt"
	"net/http"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/meter/feed"
	"github.com/berthhq/berth/internal/meter/gather"
	"github.com/berthhq/berth/internal/route"
)

// meters are the metrics on GET /_berth/metrics, in Prometheus's formats. docs/metrics.md describes each of
// them.
type meters struct {
	page     http.Handler
	registry *prometheus.Registry
	// flush makes the edge of this process report what it has counted.
	flush func(context.Context)

	calls     *prometheus.CounterVec
	callTimes *prometheus.HistogramVec
}

// newMeters returns meters whose values of load balancers come from counts.
func newMeters(counts func() []route.SubjectCounts) *meters {
	m := &meters{
		flush: func(context.Context) {},
		calls: prometheus.NewCounterVec(prometheus.CounterOpts{
			Name: "berth_api_calls_total", Help: "API calls by service, action and the code of the fault " +
				"they were answered with (empty for success).",
		}, []string{"service", "action", "code"}),
		callTimes: prometheus.NewHistogramVec(prometheus.HistogramOpts{
			Name: "berth_api_call_seconds", Help: "How long API calls took to answer.",
			Buckets: prometheus.ExponentialBuckets(0.0005, 2, 15), // 0.5 ms, about one write to a fast disk, to 8 s
		}, []string{"service"}),
	}
	all := prometheus.NewRegistry()
	all.MustRegister(m.calls, m.callTimes, edgeMeters{counts},
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	m.registry = all
	m.page = promhttp.HandlerFor(all, promhttp.HandlerOpts{})
	return m
}

// call counts an API call. Only known actions are counted by name, so that made-up names cannot fill the
// memory.
func (m *meters) call(o awswire.Outcome) {
	m.calls.WithLabelValues(o.Call.Service, o.Call.Action, o.Code).Inc()
	m.callTimes.WithLabelValues(o.Call.Service).Observe(o.Took.Seconds())
}

// ServeHTTP writes the page.
func (m *meters) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	m.flush(r.Context())
	m.page.ServeHTTP(w, r)
}

// edgeMeters are the counts of edges, by load balancer and target group.
type edgeMeters struct{ counts func() []route.SubjectCounts }

func describe(name, help string, labels ...string) *prometheus.Desc {
	return prometheus.NewDesc("berth_"+name, help, labels, nil)
}

var (
	requestsMeter = describe("load_balancer_requests_total",
		"Requests by load balancer, target group (empty when sent to none), and class of the status answered.",
		"load_balancer", "target_group", "status")
	responsesMeter = describe("target_response_seconds",
		"From the moment a request was sent to a target until its response began.", "load_balancer", "target_group")
	bytesMeter = describe("load_balancer_bytes_total",
		"Heads and bodies of requests and responses, and what went over WebSockets.", "load_balancer", "direction")
	connectionsMeter = describe("load_balancer_connections",
		"Connections that are open now, of clients and to targets.", "load_balancer", "side")
	webSocketsMeter = describe("load_balancer_websockets", "WebSockets that are open now.", "load_balancer")
)

// Describe implements prometheus.Collector.
func (edgeMeters) Describe(out chan<- *prometheus.Desc) {
	for _, d := range []*prometheus.Desc{requestsMeter, responsesMeter, bytesMeter, connectionsMeter, webSocketsMeter} {
		out <- d
	}
}

// Collect implements prometheus.Collector.
func (m edgeMeters) Collect(out chan<- prometheus.Metric) {
	for _, c := range m.counts() {
		lb := elb.MetricName(c.LoadBalancerARN)
		switch {
		case c.LoadBalancerARN == "" || c.ListenerARN != "": // no meter is about targets or listeners
		case c.TargetGroupARN != "":
			collectGroup(out, lb, elb.MetricName(c.TargetGroupARN), &c.Counts)
		default:
			collectStatuses(out, lb, "", c.Counts[route.GrouplessStatus:])
			out <- prometheus.MustNewConstMetric(bytesMeter, prometheus.CounterValue,
				float64(c.Counts[route.ReceivedBytes]), lb, "received")
			out <- prometheus.MustNewConstMetric(bytesMeter, prometheus.CounterValue,
				float64(c.Counts[route.SentBytes]), lb, "sent")
			out <- prometheus.MustNewConstMetric(connectionsMeter, prometheus.GaugeValue,
				float64(c.Clients), lb, "client")
			out <- prometheus.MustNewConstMetric(connectionsMeter, prometheus.GaugeValue,
				float64(c.Targets), lb, "target")
			out <- prometheus.MustNewConstMetric(webSocketsMeter, prometheus.GaugeValue, float64(c.Sockets), lb)
		}
	}
}

// feedMeters counts what was reported and has no effect on CloudWatch's metrics.
type feedMeters struct{ feed *feed.Feed }

var droppedMeter = describe("measurements_dropped_total",
	"Measurements of agents and edges that are in no metric of CloudWatch, by reason.", "reason")

// Describe implements prometheus.Collector.
func (feedMeters) Describe(out chan<- *prometheus.Desc) { out <- droppedMeter }

// Collect implements prometheus.Collector.
func (m feedMeters) Collect(out chan<- prometheus.Metric) {
	for why, n := range m.feed.Dropped() {
		out <- prometheus.MustNewConstMetric(droppedMeter, prometheus.CounterValue, float64(n),
			gather.Reason(why).String())
	}
}

func collectGroup(out chan<- prometheus.Metric, lb, group string, c *route.Counts) {
	collectStatuses(out, lb, group, c[route.Answered:])
	if c[route.Responses] == 0 {
		return
	}
	buckets, sum := map[float64]uint64{}, uint64(0)
	for i, bound := range route.ResponseBounds {
		sum += c[route.ResponsesWithin+route.Counter(i)]
		buckets[bound.Seconds()] = sum
	}
	took := time.Duration(c[route.ResponseNanoseconds]).Seconds()
	out <- prometheus.MustNewConstHistogram(responsesMeter, c[route.Responses], took, buckets, lb, group)
}

// collectStatuses collects the number of answers by class of the status; 1xx is first.
func collectStatuses(out chan<- prometheus.Metric, lb, group string, classes []uint64) {
	for i, n := range classes[:5] {
		if n > 0 {
			status := fmt.Sprintf("%dxx", i+1)
			out <- prometheus.MustNewConstMetric(requestsMeter, prometheus.CounterValue, float64(n), lb, group, status)
		}
	}
}
