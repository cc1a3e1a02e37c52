package acs

import (
	"testing"
	"time"
)

// An acknowledgment may ask for reports more often than usual, and never for fewer.
func TestPeriodOfReports(t *testing.T) {
	for every, want := range map[int64]time.Duration{0: PublishEvery, -1: PublishEvery, 1: time.Second,
		90:      PublishEvery,
		1 << 60: PublishEvery} {
		if got := (&AckPublishMetric{Every: every}).Period(); got != want {
			t.Errorf("%d: %v", every, got)
		}
	}
}
