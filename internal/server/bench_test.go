package server

import (
	"bytes"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"testing"
)

// BenchmarkDescribeServices measures the server's part of a signed call: everything except net/http and the network.
func BenchmarkDescribeServices(b *testing.B) {
	s := run(b, func(c *Config) { c.Logger = slog.New(slog.DiscardHandler) })
	request := func(action, body string) *http.Request {
		r := httptest.NewRequestWithContext(b.Context(), http.MethodPost, s.url()+"/", bytes.NewReader([]byte(body)))
		r.Header.Set("Content-Type", "application/x-amz-json-1.1")
		r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+action)
		sign(s, "ecs", body)(r)
		return r
	}
	serve := func(r *http.Request) {
		w := &discarded{header: http.Header{}}
		if s.http.Handler.ServeHTTP(w, r); w.status != http.StatusOK {
			b.Fatalf("%s: %d", r.Header.Get("X-Amz-Target"), w.status)
		}
	}
	serve(request("CreateCluster", `{"clusterName":"c"}`))
	serve(request("RegisterTaskDefinition",
		`{"family":"f","containerDefinitions":[{"name":"main","image":"i","memory":16}]}`))
	serve(request("CreateService", `{"cluster":"c","serviceName":"s","taskDefinition":"f","desiredCount":0,
		"placementStrategy":[{"type":"spread","field":"instanceId"}]}`))
	const body = `{"cluster":"c","services":["s"]}`
	r := request("DescribeServices", body)
	b.ReportAllocs()
	for b.Loop() {
		r.Body = io.NopCloser(bytes.NewReader([]byte(body)))
		serve(r)
	}
}

// discarded is a response writer that keeps only the status.
type discarded struct {
	header http.Header
	status int
}

func (d *discarded) Header() http.Header         { return d.header }
func (d *discarded) WriteHeader(status int)      { d.status = status }
func (d *discarded) Write(p []byte) (int, error) { return len(p), nil }
