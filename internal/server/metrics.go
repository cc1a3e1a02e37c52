package server

import (
	"fmt"
	"net/http"

	"github.com/VictoriaMetrics/metrics"

	"github.com/berthhq/berth/internal/awswire"
)

// meters are what GET /_berth/metrics tells, in Prometheus's text format.
type meters struct{ set *metrics.Set }

func newMeters() *meters { return &meters{set: metrics.NewSet()} }

// observe counts one API call. Only calls of known actions carry their names, so that nobody can fill memory by making names up.
func (m *meters) observe(o awswire.Outcome) {
	m.set.GetOrCreateCounter(fmt.Sprintf(`berth_api_calls_total{service=%q,action=%q,code=%q}`, o.Call.Service, o.Call.Action, o.Code)).Inc()
	m.set.GetOrCreateHistogram(fmt.Sprintf(`berth_api_call_seconds{service=%q}`, o.Call.Service)).Update(o.Took.Seconds())
}

// gauge adds a value that is read when it is asked for. It must be called before the server runs.
func (m *meters) gauge(name string, value func() float64) { m.set.NewGauge(name, value) }

func (m *meters) ServeHTTP(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "text/plain; version=0.0.4")
	m.set.WritePrometheus(w)
	metrics.WriteProcessMetrics(w)
}
