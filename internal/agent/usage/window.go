package usage

import (
	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/agent/runtime"
)

// window sums one container's samples up. last and before outlive take.
type window struct {
	last, before runtime.Sample
	cpu, memory  acs.StatsSet
	network      *acs.NetworkStats
	storage      *acs.StorageStats
}

// add counts a sample. CPU and rates need two: the first is remembered only.
func (w *window) add(s runtime.Sample, cpuUnits int64) {
	seconds := s.At.Sub(w.last.At).Seconds()
	if !w.last.At.IsZero() && seconds > 0 {
		cores := (s.CPU - w.last.CPU).Seconds() / seconds
		if cpuUnits > 0 && cores >= 0 {
			w.cpu.Add(100 * cores * 1024 / float64(cpuUnits))
		}
	}
	w.memory.Add(float64(s.MemoryBytes >> 20))
	if s.HasNetwork {
		w.addNetwork(s, seconds)
	}
	if s.HasBlockDevice {
		if w.storage == nil {
			w.storage = &acs.StorageStats{ReadSizeBytes: new(acs.CounterSet), WriteSizeBytes: new(acs.CounterSet)}
		}
		w.storage.ReadSizeBytes.Add(s.ReadBytes)
		w.storage.WriteSizeBytes.Add(s.WriteBytes)
	}
	w.before, w.last = w.last, s
}

func (w *window) addNetwork(s runtime.Sample, seconds float64) {
	if w.network == nil {
		w.network = &acs.NetworkStats{
			RxBytes: new(acs.CounterSet), RxPackets: new(acs.CounterSet),
			RxDropped: new(acs.CounterSet), RxErrors: new(acs.CounterSet), TxBytes: new(acs.CounterSet),
			TxPackets: new(acs.CounterSet), TxDropped: new(acs.CounterSet), TxErrors: new(acs.CounterSet),
			RxBytesPerSecond: new(acs.StatsSet), TxBytesPerSecond: new(acs.StatsSet),
		}
	}
	n := w.network
	n.RxBytes.Add(s.Rx.Bytes)
	n.RxPackets.Add(s.Rx.Packets)
	n.RxDropped.Add(s.Rx.Dropped)
	n.RxErrors.Add(s.Rx.Errors)
	n.TxBytes.Add(s.Tx.Bytes)
	n.TxPackets.Add(s.Tx.Packets)
	n.TxDropped.Add(s.Tx.Dropped)
	n.TxErrors.Add(s.Tx.Errors)
	if !w.last.At.IsZero() && seconds > 0 {
		n.RxBytesPerSecond.Add(float64(s.Rx.Bytes-w.last.Rx.Bytes) / seconds)
		n.TxBytesPerSecond.Add(float64(s.Tx.Bytes-w.last.Tx.Bytes) / seconds)
	}
}

// take returns the sums and resets them.
func (w *window) take(name string) acs.ContainerMetric {
	m := acs.ContainerMetric{Name: name, Memory: new(w.memory), Network: w.network, Storage: w.storage}
	if w.cpu.SampleCount > 0 {
		m.CPU = new(w.cpu)
	}
	*w = window{last: w.last, before: w.before}
	return m
}
