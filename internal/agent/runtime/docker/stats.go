package docker

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"iter"
	"strings"
	"time"

	"github.com/moby/moby/api/types/container"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Stats yields samples.
func (e *Engine) Stats(ctx context.Context, id string) iter.Seq2[runtime.Sample, error] {
	return func(yield func(runtime.Sample, error) bool) {
		r, err := e.api.ContainerStats(ctx, id, client.ContainerStatsOptions{Stream: true})
		if err != nil {
			yield(runtime.Sample{}, wrap(err))
			return
		}
		defer r.Body.Close()
		decoder := json.NewDecoder(r.Body)
		for {
			var s container.StatsResponse
			err := decoder.Decode(&s)
			if errors.Is(err, io.EOF) || err == nil && s.Read.Year() <= 1 {
				return // the samples of an ended container are zero
			}
			if err != nil {
				yield(runtime.Sample{}, wrap(err))
				return
			}
			if !yield(sample(s), nil) {
				return
			}
		}
	}
}

func sample(s container.StatsResponse) runtime.Sample {
	out := runtime.Sample{
		At:          s.Read,
		CPU:         time.Duration(s.CPUStats.CPUUsage.TotalUsage),
		MemoryBytes: int64(s.MemoryStats.Usage - min(pageCache(s.MemoryStats.Stats), s.MemoryStats.Usage)),
		HasNetwork:  len(s.Networks) > 0,
	}
	for _, n := range s.Networks {
		add(&out.Rx, n.RxBytes, n.RxPackets, n.RxDropped, n.RxErrors)
		add(&out.Tx, n.TxBytes, n.TxPackets, n.TxDropped, n.TxErrors)
	}
	for _, entry := range s.BlkioStats.IoServiceBytesRecursive {
		out.HasBlockDevice = true
		switch strings.ToLower(entry.Op) {
		case "read":
			out.ReadBytes += int64(entry.Value)
		case "write":
			out.WriteBytes += int64(entry.Value)
		}
	}
	return out
}

// pageCache is the memory that the kernel would free: total_cache in cgroup v1, inactive_file in v2
// (ecs-agent.md 9.1).
func pageCache(stats map[string]uint64) uint64 {
	for _, name := range []string{"total_cache", "cache", "inactive_file"} {
		if v, ok := stats[name]; ok {
			return v
		}
	}
	return 0
}

func add(t *runtime.Traffic, bytes, packets, dropped, errors uint64) {
	t.Bytes += int64(bytes)
	t.Packets += int64(packets)
	t.Dropped += int64(dropped)
	t.Errors += int64(errors)
}
