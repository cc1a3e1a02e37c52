package server

import (
	"fmt"
	"net/http"
	"strings"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/edge"
)

// meters are what GET /_berth/metrics tells, in Prometheus's formats.
type meters struct {
	http.Handler
	registry  *prometheus.Registry
	calls     *prometheus.CounterVec
	callTimes *prometheus.HistogramVec
	requests  *prometheus.CounterVec
	responses *prometheus.HistogramVec
}

func newMeters() *meters {
	m := &meters{
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
	m.Handler = promhttp.HandlerFor(all, promhttp.HandlerOpts{})
	return m
}

// call counts an API call. Only calls of known actions carry their names, so that nobody can fill memory by making names up.
func (m *meters) call(o awswire.Outcome) {
	m.calls.WithLabelValues(o.Call.Service, o.Call.Action, o.Code).Inc()
	m.callTimes.WithLabelValues(o.Call.Service).Observe(o.Took.Seconds())
}

// request counts a request to a load balancer.
func (m *meters) request(e *edge.Entry) {
	lb, group := named(e.LoadBalancerARN), named(e.TargetGroupARN)
	m.requests.WithLabelValues(lb, group, fmt.Sprintf("%dxx", e.Status/100)).Inc()
	if e.Target1st >= 0 {
		m.responses.WithLabelValues(lb, group).Observe(e.Target1st.Seconds())
	}
}

// named is the end of an ARN that CloudWatch uses in dimensions: app/NAME/ID of a load balancer, targetgroup/NAME/ID of a target group.
func named(arn string) string {
	resource := arn[strings.LastIndexByte(arn, ':')+1:]
	return strings.TrimPrefix(resource, "loadbalancer/")
}
