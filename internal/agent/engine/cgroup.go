package engine

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"syscall"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Limits of a task as a whole are set on a control group above those of its containers: /ecs/<task id>, as with
// Amazon's agent. On machines where systemd owns the tree, or where the agent may not write to it, they cannot
// be enforced; then each container at least gets the task's limits.

const cpuPeriod = 100_000 // microseconds

// cgroupParent returns the group of the task's containers, "" if the task has no limits.
func (e *Engine) cgroupParent(r *Record) string {
	if !limited(r) || !e.cgroups() {
		return ""
	}
	return "/ecs/" + TaskID(r.Task.ARN)
}

func limited(r *Record) bool { return r.Task.CPU > 0 || r.Task.Memory > 0 }

func (e *Engine) cgroups() bool {
	e.mu.Lock()
	defer e.mu.Unlock()
	return e.cfg.CgroupRoot != "" && !e.cgroupsDenied && e.status.cgroups.CgroupDriver == "cgroupfs"
}

// limit creates the task's control group.
func (e *Engine) limit(r *Record) error {
	if !limited(r) {
		return nil
	}
	if !e.cgroups() {
		e.log.Warn("limits of the task as a whole are not enforced: its control group cannot be made here",
			"task", r.Task.ARN)
		return nil
	}
	e.mu.Lock()
	engine := e.status.cgroups
	e.mu.Unlock()
	err := writeLimits(e.cfg.CgroupRoot, limits(engine, r))
	if errors.Is(err, fs.ErrPermission) || errors.Is(err, syscall.EROFS) { // without root
		e.log.Warn("limits of tasks as a whole are not enforced: their control groups may not be written",
			"task", r.Task.ARN, "error", err)
		e.mu.Lock()
		e.cgroupsDenied = true
		e.mu.Unlock()
		return nil
	}
	return err
}

func writeLimits(root string, values map[string]string) error {
	for file, value := range values {
		path := filepath.Join(root, file)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return fmt.Errorf("control group: %w", err)
		}
		if err := os.WriteFile(path, []byte(value), 0o644); err != nil {
			return fmt.Errorf("control group: %w", err)
		}
	}
	return nil
}

// limitAlone sets the limits of the task on a container.
func limitAlone(r *Record, s *runtime.Spec) {
	s.CPULimit = r.Task.CPU
	if s.MemoryBytes == 0 {
		s.MemoryBytes = r.Task.Memory << 20
	}
}

// limits returns the files of the group and their content (ecs-agent.md 5.1).
func limits(engine runtime.Engine, r *Record) map[string]string {
	group := filepath.Join("ecs", TaskID(r.Task.ARN))
	quota := strconv.Itoa(int(r.Task.CPU*cpuPeriod + 0.5))
	memory := strconv.FormatInt(r.Task.Memory<<20, 10)
	out := map[string]string{}
	if engine.CgroupVersion == 2 {
		if r.Task.CPU > 0 {
			out[filepath.Join(group, "cpu.max")] = quota + " " + strconv.Itoa(cpuPeriod)
		}
		if r.Task.Memory > 0 {
			out[filepath.Join(group, "memory.max")] = memory
		}
		return out
	}
	if r.Task.CPU > 0 {
		out[filepath.Join("cpu", group, "cpu.cfs_quota_us")] = quota
	}
	if r.Task.Memory > 0 {
		out[filepath.Join("memory", group, "memory.limit_in_bytes")] = memory
	}
	return out
}

// unlimit removes the task's group.
func (e *Engine) unlimit(r *Record) error {
	if e.cgroupParent(r) == "" {
		return nil
	}
	return RemoveGroup(e.cfg.CgroupRoot, r.Task.ARN)
}

// RemoveGroup removes a task's control group, which Docker has created in every hierarchy below root. It is no
// error if there is none. The task's containers must have been removed.
func RemoveGroup(root, taskARN string) error {
	id := TaskID(taskARN)
	groups, err := filepath.Glob(filepath.Join(root, "*", "ecs", id))
	if err != nil {
		return err
	}
	for _, group := range append(groups, filepath.Join(root, "ecs", id)) {
		if err := os.Remove(group); err != nil && !errors.Is(err, fs.ErrNotExist) {
			return err
		}
	}
	return nil
}
