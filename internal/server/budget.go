package server

import (
	"io/fs"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthhq/berth/internal/budget"
	"github.com/berthhq/berth/internal/status"
)

// diskBudget bounds the disk that logs, images and history take together.
func (s *Server) diskBudget() *budget.Budget {
	return budget.New(s.dir.Path, s.cfg.DiskBudget,
		budget.Part{Name: "state", Used: s.journal.Size},
		budget.Part{Name: "images", Used: func() int64 { return s.blobs.Used() }},
		budget.Part{Name: "logs", Used: func() int64 { return s.logs.Used() }},
		budget.Part{Name: "metrics", Used: func() int64 { return s.points.Used() }},
		budget.Part{Name: "audit", Used: func() int64 { return treeSize(s.storage("audit")) }},
		budget.Part{Name: "instance logs", Used: s.instanceLogs})
}

// instanceLogs returns the size of the logs of agents and consoles. A driver of machines elsewhere has none
// here.
func (s *Server) instanceLogs() int64 {
	if m, ok := s.machines.(interface{ LogBytes() int64 }); ok {
		return m.LogBytes()
	}
	return 0
}

// treeSize returns the size of the files below a directory. There are only a few, as the audit log is bounded.
func treeSize(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil // what does not exist has no size
	})
	return total
}

// logsKept is how many bytes of logs are kept when images need room.
const logsKept = 64 << 20

// takeForImages makes room for images by dropping old logs, but keeps logsKept.
func (s *Server) takeForImages(n int64) error {
	kept := int64(logsKept)
	if limit := s.budget.Limit(); limit > 0 {
		kept = min(kept, limit/10)
	}
	return s.budget.Take(n, func(enough func() bool) {
		s.logs.MakeRoom(func() bool { return enough() || s.logs.Used() <= kept })
	})
}

// diskUse is the part of berth status about the disk.
func (s *Server) diskUse() *status.Disk {
	d := &status.Disk{Budget: s.budget.Limit(), Room: max(0, s.budget.Room()), Use: make(map[string]int64)}
	for _, u := range s.budget.Use() {
		d.Use[u.Name] = u.Bytes
	}
	return d
}

// diskMeters reads the use of the disk when the metrics page is requested.
type diskMeters struct{ of *budget.Budget }

var (
	diskUsed = prometheus.NewDesc("berth_disk_used_bytes",
		"What the parts of the data directory take of the disk.", []string{"part"}, nil)
	diskRoom = prometheus.NewDesc("berth_disk_room_bytes", "How many bytes logs and images may still take.", nil, nil)
	diskMax  = prometheus.NewDesc("berth_disk_budget_bytes",
		"The disk budget, or 0 when there is none but the disk.", nil, nil)
)

func (m diskMeters) Describe(c chan<- *prometheus.Desc) { c <- diskUsed; c <- diskRoom; c <- diskMax }

func (m diskMeters) Collect(c chan<- prometheus.Metric) {
	for _, u := range m.of.Use() {
		c <- prometheus.MustNewConstMetric(diskUsed, prometheus.GaugeValue, float64(u.Bytes), u.Name)
	}
	c <- prometheus.MustNewConstMetric(diskRoom, prometheus.GaugeValue, float64(m.of.Room()))
	c <- prometheus.MustNewConstMetric(diskMax, prometheus.GaugeValue, float64(m.of.Limit()))
}
