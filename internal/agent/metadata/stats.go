package metadata

import (
	"time"

	"github.com/berthhq/berth/internal/agent/engine"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// statsView has the form of Docker's statistics, as far as they were measured, with the rates that the task
// metadata endpoint adds. It is null for a container that is not running.
type statsView struct {
	Read        time.Time              `json:"read"`
	PreRead     time.Time              `json:"preread"`
	CPUStats    cpuStats               `json:"cpu_stats"`
	PreCPUStats cpuStats               `json:"precpu_stats"`
	MemoryStats memoryStats            `json:"memory_stats"`
	BlkioStats  blkioStats             `json:"blkio_stats"`
	Networks    map[string]networkStat `json:"networks,omitempty"`
	NetworkRate *networkRate           `json:"network_rate_stats,omitempty"`
}

type cpuStats struct {
	CPUUsage struct {
		TotalUsage int64 `json:"total_usage"` // nanoseconds
	} `json:"cpu_usage"`
}

type memoryStats struct {
	Usage int64 `json:"usage"`
}

type blkioStats struct {
	Bytes []blkioEntry `json:"io_service_bytes_recursive"`
}

type blkioEntry struct {
	Op    string `json:"op"`
	Value int64  `json:"value"`
}

type networkStat struct {
	RxBytes   int64 `json:"rx_bytes"`
	RxPackets int64 `json:"rx_packets"`
	RxErrors  int64 `json:"rx_errors"`
	RxDropped int64 `json:"rx_dropped"`
	TxBytes   int64 `json:"tx_bytes"`
	TxPackets int64 `json:"tx_packets"`
	TxErrors  int64 `json:"tx_errors"`
	TxDropped int64 `json:"tx_dropped"`
}

type networkRate struct {
	Rx float64 `json:"rx_bytes_per_sec"`
	Tx float64 `json:"tx_bytes_per_sec"`
}

func (s *Server) statsView(b *engine.Box) *statsView {
	now, before, ok := s.cfg.Stats(b.RuntimeID)
	if !ok {
		return nil
	}
	v := &statsView{
		Read: now.At, PreRead: before.At, MemoryStats: memoryStats{Usage: now.MemoryBytes},
		BlkioStats: blkioStats{Bytes: []blkioEntry{{"Read", now.ReadBytes}, {"Write", now.WriteBytes}}},
	}
	v.CPUStats.CPUUsage.TotalUsage = int64(now.CPU)
	v.PreCPUStats.CPUUsage.TotalUsage = int64(before.CPU)
	if now.HasNetwork {
		v.Networks = map[string]networkStat{"eth0": {
			RxBytes: now.Rx.Bytes, RxPackets: now.Rx.Packets, RxErrors: now.Rx.Errors, RxDropped: now.Rx.Dropped,
			TxBytes: now.Tx.Bytes, TxPackets: now.Tx.Packets, TxErrors: now.Tx.Errors, TxDropped: now.Tx.Dropped,
		}}
		v.NetworkRate = rateOf(now, before)
	}
	return v
}

func rateOf(now, before runtime.Sample) *networkRate {
	seconds := now.At.Sub(before.At).Seconds()
	if before.At.IsZero() || seconds <= 0 {
		return nil
	}
	return &networkRate{
		Rx: float64(now.Rx.Bytes-before.Rx.Bytes) / seconds,
		Tx: float64(now.Tx.Bytes-before.Tx.Bytes) / seconds,
	}
}

func (s *Server) taskStatsView(t *engine.Record) map[string]*statsView {
	out := map[string]*statsView{}
	for i := range t.Containers {
		if b := &t.Containers[i]; !b.Pause && b.RuntimeID != "" {
			out[b.RuntimeID] = s.statsView(b)
		}
	}
	return out
}
