package ecs

import (
	"math"
	"strconv"
	"strings"
)

// Bounds of a task's own cpu on EC2, in CPU units (ecs.md 1.4.6, 11), and the least memory Docker
// starts a container with, in MiB (1.4.5).
const (
	MinTaskCPU         = 128
	MaxTaskCPU         = 196608
	MinContainerMemory = 6
)

// ParseTaskCPU reads a task's cpu, "512" or "0.5 vCPU", as CPU units.
func ParseTaskCPU(s string) (int, bool) { return parseSize(s, "vcpu") }

// ParseTaskMemory reads a task's memory, "512" or "0.5 GB", as MiB.
func ParseTaskMemory(s string) (int, bool) { return parseSize(s, "gb") }

func parseSize(s, unit string) (int, bool) {
	s = strings.ToLower(strings.TrimSpace(s))
	if n, ok := strings.CutSuffix(s, unit); ok {
		f, err := strconv.ParseFloat(strings.TrimSpace(n), 64)
		if err != nil || !(f > 0) || f > math.MaxInt32/1024 {
			return 0, false
		}
		size := int(math.Round(f * 1024))
		return size, size > 0 // less than half a unit is none
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n > 0
}
