package engine

import (
	"fmt"
	"net/netip"
	"slices"
	"time"

	"github.com/berthhq/berth/internal/acs"
)

// Report is a SubmitTaskStateChange: what happened to a task since the last one. Its containers are in the
// order in which to apply them.
type Report struct {
	Cluster            string             `json:"cluster"`
	Task               string             `json:"task"`
	Status             string             `json:"status,omitempty"`
	Reason             string             `json:"reason"`
	Containers         []ContainerReport  `json:"containers,omitempty"`
	Attachments        []AttachmentReport `json:"attachments,omitempty"`
	PullStartedAt      *acs.Time          `json:"pullStartedAt,omitempty"`
	PullStoppedAt      *acs.Time          `json:"pullStoppedAt,omitempty"`
	ExecutionStoppedAt *acs.Time          `json:"executionStoppedAt,omitempty"`
}

// ContainerReport is what happened to a container.
type ContainerReport struct {
	Name            string           `json:"containerName"`
	Status          string           `json:"status"`
	RuntimeID       string           `json:"runtimeId,omitempty"`
	ExitCode        *int             `json:"exitCode,omitempty"`
	Reason          string           `json:"reason,omitempty"`
	ImageDigest     string           `json:"imageDigest,omitempty"`
	NetworkBindings []NetworkBinding `json:"networkBindings,omitempty"`
}

// NetworkBinding is a published port or range of ports.
type NetworkBinding struct {
	BindIP             string `json:"bindIP"`
	ContainerPort      int    `json:"containerPort,omitempty"`
	HostPort           int    `json:"hostPort,omitempty"`
	ContainerPortRange string `json:"containerPortRange,omitempty"`
	HostPortRange      string `json:"hostPortRange,omitempty"`
	Protocol           string `json:"protocol"`
}

// AttachmentReport confirms a network interface.
type AttachmentReport struct {
	ARN    string `json:"attachmentArn"`
	Status string `json:"status"`
}

const (
	maxReason = 1024 // ecs-agent.md 3.3
	maxDigest = 255
)

// longPull is how long a pull lasts before it is reported. Shorter ones are reported with what follows them.
const longPull = time.Second

// pullNews is when to report that images are being pulled; zero is never.
func (r *Record) pullNews() time.Time {
	if r.Status != StatusPending || r.PullStartedAt.IsZero() || r.ConfirmedPull || r.pulled() {
		return time.Time{}
	}
	return r.PullStartedAt.Add(longPull)
}

// pulled reports whether all images of the task have been pulled.
func (r *Record) pulled() bool {
	return !slices.ContainsFunc(r.Containers, func(b Box) bool { return b.Phase == Waiting })
}

// nextReport returns the next report, or nil. confirm writes to the record that the report was delivered.
func nextReport(r *Record, now time.Time) (report *Report, confirm func(*Record)) {
	status, hold := r.Status, r.Hold
	if r.Ran && order(r.ConfirmedStatus) < order(StatusRunning) {
		status = StatusRunning // even if it has stopped since
	}
	changed := status != r.ConfirmedStatus && !(status == StatusPending && hold == "") || hold != r.ConfirmedHold
	if news := r.pullNews(); !news.IsZero() && !now.Before(news) {
		changed = true
	}
	report = &Report{Task: r.Task.ARN, Status: status, Reason: cut(r.Reason, maxReason)}
	if hold != "" {
		report.Reason = cut(hold, maxReason)
	}
	phases := make(map[string]Phase)
	for i := range r.Containers {
		b := &r.Containers[i]
		// The ends of a task's containers are reported together with its own.
		events, phase := containerReports(b, status != StatusStopped && (r.Status == StatusStopped || !r.wanted()))
		if b.Pause || len(events) == 0 {
			continue
		}
		changed = true
		phases[b.Def.Name] = phase
		report.Containers = append(report.Containers, events...)
	}
	if !changed {
		return nil, nil
	}
	report.PullStartedAt = instant(r.PullStartedAt)
	if r.pulled() || status == StatusStopped {
		report.PullStoppedAt = instant(r.PullStoppedAt)
	}
	if status == StatusStopped {
		report.ExecutionStoppedAt = instant(r.ExecutionStoppedAt)
	}
	return report, func(r *Record) {
		r.ConfirmedStatus, r.ConfirmedHold = status, hold
		r.ConfirmedPull = report.PullStartedAt != nil
		for i := range r.Containers {
			if phase, ok := phases[r.Containers[i].Def.Name]; ok {
				r.Containers[i].ConfirmedPhase = phase
			}
		}
	}
}

// containerReports returns what has not been reported about b. With runOnly its end is left for the next
// report.
func containerReports(b *Box, runOnly bool) (events []ContainerReport, reported Phase) {
	reported = b.ConfirmedPhase
	if b.reached() && reported < Running {
		events, reported = append(events, containerReport(b, StatusRunning)), Running
	}
	if b.Phase == Stopped && reported < Stopped && !runOnly {
		events, reported = append(events, containerReport(b, StatusStopped)), Stopped
	}
	return events, reported
}

func containerReport(b *Box, status string) ContainerReport {
	c := ContainerReport{
		Name: b.Def.Name, Status: status, RuntimeID: b.RuntimeID, ImageDigest: cut(b.Digest, maxDigest),
		NetworkBindings: networkBindings(b.Ports),
	}
	if status == StatusStopped {
		c.ExitCode, c.Reason = b.ExitCode, cut(b.Reason, maxReason)
	}
	return c
}

func networkBindings(ports []Binding) []NetworkBinding {
	var out []NetworkBinding
	for _, p := range ports {
		host := p.HostIP
		if !host.IsValid() {
			host = netip.IPv4Unspecified()
		}
		n := NetworkBinding{BindIP: host.String(), Protocol: p.Protocol}
		if p.Range {
			n.ContainerPortRange, n.HostPortRange = span(p.ContainerPort, p.Count), span(p.HostPort, p.Count)
		} else {
			n.ContainerPort, n.HostPort = p.ContainerPort, p.HostPort
		}
		out = append(out, n)
	}
	return out
}

func span(first, count int) string { return fmt.Sprintf("%d-%d", first, first+count-1) }

func order(status string) int {
	switch status {
	case StatusRunning:
		return 1
	case StatusStopped:
		return 2
	}
	return 0
}

func instant(t time.Time) *acs.Time {
	if t.IsZero() {
		return nil
	}
	return new(acs.At(t))
}

func cut(s string, n int) string {
	if len(s) > n {
		return s[:n]
	}
	return s
}
