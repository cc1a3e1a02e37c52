package acs

// TelemetryMetadata begins every report of TCS. If a batch is split, all parts share MessageID, and Fin is
// false in all but the last.
type TelemetryMetadata struct {
	Cluster           string `json:"cluster"`
	ContainerInstance string `json:"containerInstance"`
	MessageID         string `json:"messageId,omitempty"`
	RequestID         string `json:"requestId,omitempty"`
	Idle              bool   `json:"idle"`
	Fin               bool   `json:"fin"`
}

// MaxTasksPerReport is the most tasks in one PublishMetrics or PublishHealth.
const MaxTasksPerReport = 10

// PublishMetrics reports 20 seconds of measurements. Without tasks it means that the instance is idle.
type PublishMetrics struct {
	Metadata  TelemetryMetadata `json:"metadata"`
	Tasks     []TaskMetric      `json:"taskMetrics,omitempty"`
	Timestamp Time              `json:"timestamp"`
}

// MessageType is "PublishMetricsRequest".
func (*PublishMetrics) MessageType() string { return "PublishMetricsRequest" }

// TaskMetric is the resource usage of one task.
type TaskMetric struct {
	TaskARN    string            `json:"taskArn"`
	Family     string            `json:"taskDefinitionFamily"`
	Version    string            `json:"taskDefinitionVersion"`
	Containers []ContainerMetric `json:"containerMetrics"`
}

// ContainerMetric is the resource usage of one container. CPU is in per cent of the whole instance (all cores
// are 100), Memory in MiB.
type ContainerMetric struct {
	Name    string        `json:"containerName"`
	CPU     *StatsSet     `json:"cpuStatsSet,omitempty"`
	Memory  *StatsSet     `json:"memoryStatsSet,omitempty"`
	Network *NetworkStats `json:"networkStatsSet,omitempty"`
	Storage *StorageStats `json:"storageStatsSet,omitempty"`
	Restart *RestartStats `json:"restartStatsSet,omitempty"`
}

// StatsSet summarises samples.
type StatsSet struct {
	Min         float64 `json:"min"`
	Max         float64 `json:"max"`
	Sum         float64 `json:"sum"`
	SampleCount int64   `json:"sampleCount"`
}

// Add adds a sample.
func (s *StatsSet) Add(v float64) {
	if s.SampleCount == 0 {
		s.Min, s.Max = v, v
	}
	s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	s.Sum += v
	s.SampleCount++
}

// NetworkStats are statistics of cumulative counters: use differences of Max.
type NetworkStats struct {
	RxBytes          *CounterSet `json:"rxBytes,omitempty"`
	RxPackets        *CounterSet `json:"rxPackets,omitempty"`
	RxDropped        *CounterSet `json:"rxDropped,omitempty"`
	RxErrors         *CounterSet `json:"rxErrors,omitempty"`
	TxBytes          *CounterSet `json:"txBytes,omitempty"`
	TxPackets        *CounterSet `json:"txPackets,omitempty"`
	TxDropped        *CounterSet `json:"txDropped,omitempty"`
	TxErrors         *CounterSet `json:"txErrors,omitempty"`
	RxBytesPerSecond *StatsSet   `json:"rxBytesPerSecond,omitempty"`
	TxBytesPerSecond *StatsSet   `json:"txBytesPerSecond,omitempty"`
}

// StorageStats are statistics of cumulative counters of block devices.
type StorageStats struct {
	ReadSizeBytes  *CounterSet `json:"readSizeBytes,omitempty"`
	WriteSizeBytes *CounterSet `json:"writeSizeBytes,omitempty"`
}

// CounterSet summarises samples of a counter. The wire has overflow members for numbers above 2^63, which are
// always 0.
type CounterSet struct {
	Min         int64 `json:"min"`
	Max         int64 `json:"max"`
	Sum         int64 `json:"sum"`
	SampleCount int64 `json:"sampleCount"`
	OverflowMin int64 `json:"overflowMin"`
	OverflowMax int64 `json:"overflowMax"`
	OverflowSum int64 `json:"overflowSum"`
}

// Add adds a sample.
func (s *CounterSet) Add(v int64) {
	if s.SampleCount == 0 {
		s.Min, s.Max = v, v
	}
	s.Min, s.Max = min(s.Min, v), max(s.Max, v)
	s.Sum += v
	s.SampleCount++
}

// RestartStats counts restarts by the container's restart policy.
type RestartStats struct {
	RestartCount int64 `json:"restartCount"`
}
