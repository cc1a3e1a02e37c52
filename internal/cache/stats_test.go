package cache

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// info is what redis-server 7 answers to INFO all, shortened.
func info(change map[string]string) map[string]string {
	all := map[string]string{
		"process_id": "42", "used_cpu_sys": "1.500000", "used_cpu_user": "2.500000", "connected_clients": "3",
		"used_memory": "1048576", "maxmemory": "4194304", "total_connections_received": "10", "keyspace_hits": "7",
		"keyspace_misses": "2", "evicted_keys": "0", "expired_keys": "1", "total_net_input_bytes": "1000",
		"total_net_output_bytes": "2000", "db0": "keys=5,expires=1,avg_ttl=0", "db3": "keys=2,expires=0,avg_ttl=0",
		"cmdstat_get": "calls=20,usec=10,usec_per_call=0.50,rejected_calls=0,failed_calls=0", "redis_version": "7.0.15",
		"cmdstat_set": "calls=4,usec=1", "cmdstat_hset": "calls=3,usec=1", "cmdstat_xgroup|create": "calls=1,usec=1",
	}
	for name, value := range change {
		all[name] = value
	}
	return all
}

// values returns measures as "Metric=Value Unit" by metric.
func values(all []Measure) map[string]string {
	out := make(map[string]string)
	for _, m := range all {
		out[m.Metric] = fmt.Sprintf("%v %s", m.Value, m.Unit)
	}
	return out
}

func TestMetricsOfNodes(t *testing.T) {
	before := ParseStats(info(nil))
	now := ParseStats(info(map[string]string{
		"used_cpu_user": "8.5", "keyspace_hits": "10", "total_net_input_bytes": "1500", "connected_clients": "4",
		"cmdstat_get": "calls=25,usec=10", "cmdstat_publish": "calls=6,usec=1", "cmdstat_unknown": "calls=9,usec=1",
	}))
	got := values(now.Since(&before, time.Minute))
	for metric, want := range map[string]string{
		"EngineCPUUtilization": "10 Percent", "CurrConnections": "4 Count", "NewConnections": "0 Count",
		"BytesUsedForCache": "1.048576e+06 Bytes", "DatabaseMemoryUsagePercentage": "25 Percent",
		"CurrItems": "7 Count",
		"CacheHits": "3 Count", "CacheMisses": "0 Count", "NetworkBytesIn": "500 Bytes", "GetTypeCmds": "5 Count",
		"SetTypeCmds": "0 Count", "StringBasedCmds": "5 Count", "PubSubBasedCmds": "6 Count", "Evictions": "0 Count",
		"StreamBasedCmds": "0 Count",
	} {
		if got[metric] != want {
			t.Errorf("%s is %q, want %q", metric, got[metric], want)
		}
	}
}

// Without an earlier look at the same process there are only levels.
func TestFirstLook(t *testing.T) {
	now, other := ParseStats(info(nil)), ParseStats(info(map[string]string{"process_id": "41"}))
	for name, before := range map[string]*Stats{"none": nil, "another process": &other} {
		got := values(now.Since(before, time.Minute))
		if len(got) != 4 || got["CurrConnections"] != "3 Count" {
			t.Errorf("%s: %v", name, got)
		}
	}
	if got := now.Since(&now, 0); len(got) != 4 {
		t.Errorf("no time has passed: %v", got)
	}
}

// The text of a member may have others before and after it.
func TestMembers(t *testing.T) {
	for text, want := range map[string]float64{
		"calls=3,usec=1": 3, "usec=1,calls=4": 4, "usec=1": 0, "": 0, "calls=": 0,
	} {
		if got := member(text, "calls"); got != want {
			t.Errorf("%q has %v calls, want %v", text, got, want)
		}
	}
}

// Text that is no number counts as nothing, and no value is negative.
func TestDamagedInfo(t *testing.T) {
	s := ParseStats(map[string]string{"used_memory": "x", "connected_clients": "-1", "cmdstat_get": "nonsense",
		"db0": "keys=", "maxmemory": "0"})
	before := ParseStats(info(map[string]string{"process_id": ""}))
	for _, m := range s.Since(&before, time.Minute) {
		if m.Value != 0 {
			t.Errorf("%+v", m)
		}
		if m.Metric == "DatabaseMemoryUsagePercentage" {
			t.Error("a share of an unlimited memory")
		}
	}
}

// Each command is in lower case and in a metric only once.
func TestCommandsAreListedOnce(t *testing.T) {
	for metric, names := range commands {
		seen := map[string]bool{}
		for _, name := range strings.Fields(names) {
			if seen[name] || name != strings.ToLower(name) {
				t.Errorf("%s in %s", name, metric)
			}
			seen[name] = true
		}
	}
}

// Each metric that is made has the unit that AWS gives it, and the names of metrics are sorted within counters and
// levels.
func TestUnits(t *testing.T) {
	now := ParseStats(info(nil))
	all := now.Since(&now, time.Second)
	for _, m := range all {
		want := "Count"
		switch {
		case strings.HasPrefix(m.Metric, "NetworkBytes"), m.Metric == "BytesUsedForCache":
			want = "Bytes"
		case m.Metric == "EngineCPUUtilization", m.Metric == "DatabaseMemoryUsagePercentage":
			want = "Percent"
		}
		if m.Unit != want {
			t.Errorf("%s is in %s, want %s", m.Metric, m.Unit, want)
		}
	}
	if n := len(commands) + len(counters) + 4 + 1; len(all) != n {
		t.Errorf("%d metrics, want %d", len(all), n)
	}
}

// A counter that has become smaller, as after CONFIG RESETSTAT, counts as nothing and not as negative.
func TestCountersThatWereReset(t *testing.T) {
	before := ParseStats(info(nil))
	now := ParseStats(info(map[string]string{
		"cmdstat_get": "calls=1,usec=1", "keyspace_hits": "0", "used_cpu_user": "0",
	}))
	got := values(now.Since(&before, time.Minute))
	for _, metric := range []string{"GetTypeCmds", "CacheHits"} {
		if got[metric] != "0 Count" {
			t.Errorf("%s is %s", metric, got[metric])
		}
	}
	if got["EngineCPUUtilization"] != "0 Percent" {
		t.Errorf("CPU is %s", got["EngineCPUUtilization"])
	}
}

// A subcommand counts as its command, in every metric that the command is in.
func TestSubcommands(t *testing.T) {
	s := ParseStats(map[string]string{
		"cmdstat_xgroup|create": "calls=2,usec=1", "cmdstat_xgroup|destroy": "calls=3,usec=1",
	})
	for metric, want := range map[string]float64{"StreamBasedCmds": 5, "GetTypeCmds": 0} {
		if s.counters[metric] != want {
			t.Errorf("%s is %v, want %v", metric, s.counters[metric], want)
		}
	}
}
