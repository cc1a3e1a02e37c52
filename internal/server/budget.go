package server

import (
	"io/fs"
	"path/filepath"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/berthhq/berth/internal/budget"
	"github.com/berthhq/berth/internal/status"
)

// diskBudget is what logs, images and history take of the disk together.
func (s *Server) diskBudget() *budget.Budget {
	return budget.New(s.dir.Path, s.cfg.DiskBudget,
		budget.Part{Name: "state", Used: s.journal.Size},
		budget.Part{Name: "images", Used: s.blobs.Used},
		budget.Part{Name: "logs", Used: func() int64 { return s.logs.Used() }},
		budget.Part{Name: "audit", Used: func() int64 { return treeSize(s.dir.Sub("audit")) }})
}

// treeSize is how many bytes the files below a directory have: a few, as those of the audit log are bounded.
func treeSize(dir string) (total int64) {
	_ = filepath.WalkDir(dir, func(_ string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			if info, err := d.Info(); err == nil {
				total += info.Size()
			}
		}
		return nil // what is not there has no bytes
	})
	return total
}

// logsKept is the least that logs keep when images need room.
const logsKept = 64 << 20

// takeForImages makes room for images out of old logs, down to what logs keep.
func (s *Server) takeForImages(n int64) error {
	kept := int64(logsKept)
	if limit := s.budget.Limit(); limit > 0 {
		kept = min(kept, limit/10)
	}
	return s.budget.Take(n, func(enough func() bool) {
		s.logs.MakeRoom(func() bool { return enough() || s.logs.Used() <= kept })
	})
}

// diskUse is the disk for berth status.
func (s *Server) diskUse() *status.Disk {
	d := &status.Disk{Budget: s.budget.Limit(), Room: max(0, s.budget.Room()), Use: make(map[string]int64)}
	for _, u := range s.budget.Use() {
		d.Use[u.Name] = u.Bytes
	}
	return d
}

// diskMeters tell the use of the disk when the metrics page is asked for.
type diskMeters struct{ of *budget.Budget }

var (
	diskUsed = prometheus.NewDesc("berth_disk_used_bytes", "What logs, images, the state and the audit log take of the disk.", []string{"part"}, nil)
	diskRoom = prometheus.NewDesc("berth_disk_room_bytes", "How many bytes logs and images may still take.", nil, nil)
	diskMax  = prometheus.NewDesc("berth_disk_budget_bytes", "The disk budget, or 0 when there is none but the disk.", nil, nil)
)

func (m diskMeters) Describe(c chan<- *prometheus.Desc) { c <- diskUsed; c <- diskRoom; c <- diskMax }

func (m diskMeters) Collect(c chan<- prometheus.Metric) {
	for _, u := range m.of.Use() {
		c <- prometheus.MustNewConstMetric(diskUsed, prometheus.GaugeValue, float64(u.Bytes), u.Name)
	}
	c <- prometheus.MustNewConstMetric(diskRoom, prometheus.GaugeValue, float64(m.of.Room()))
	c <- prometheus.MustNewConstMetric(diskMax, prometheus.GaugeValue, float64(m.of.Limit()))
}
