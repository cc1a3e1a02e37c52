package engine

import (
	"archive/tar"
	"bytes"
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	goruntime "runtime"
	"slices"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// PauseImage is the image of the container that holds a task's namespaces. The agent creates it, from a program
// of a few instructions.
const PauseImage = "berth/pause:1"

// pullPause creates the pause image unless it exists.
func (t *task) pullPause(ctx context.Context, i int) error {
	_, err := t.e.rt.Image(ctx, PauseImage)
	if errors.Is(err, runtime.ErrNotFound) {
		err = importPause(ctx, t.e.rt)
	}
	if err != nil {
		if transient(ctx, err) {
			return err
		}
		t.fail(i, "ResourceInitializationError: cannot make the pause image: "+err.Error())
		return nil
	}
	t.pulled(i, PauseImage, "")
	return nil
}

func importPause(ctx context.Context, images runtime.Images) error {
	program, err := pauseProgram(goruntime.GOARCH)
	if err != nil {
		return err
	}
	var rootFS bytes.Buffer
	w := tar.NewWriter(&rootFS)
	header := &tar.Header{Name: "pause", Typeflag: tar.TypeReg, Mode: 0o755, Size: int64(len(program))}
	if err := errors.Join(w.WriteHeader(header), write(w, program), w.Close()); err != nil {
		return err
	}
	return images.Import(ctx, PauseImage, &rootFS, []string{"/pause"})
}

func write(w *tar.Writer, data []byte) error {
	_, err := w.Write(data)
	return err
}

// pauseProgram returns a static ELF executable that calls pause(2) for ever. As process 1 of its namespace it
// ignores SIGTERM, and is killed to stop.
func pauseProgram(arch string) ([]byte, error) {
	var machine uint16
	var code []byte
	switch arch {
	case "amd64":
		machine = 62
		code = []byte{
			0xb8, 34, 0, 0, 0, // mov eax, 34 (pause)
			0x0f, 0x05, // syscall
			0xeb, 0xf7, // jmp to the beginning
		}
	case "arm64":
		machine = 183
		// arm64 has no pause(2); ppoll(NULL, 0, NULL, NULL) waits as long.
		for _, instruction := range []uint32{
			0xd2800000, 0xd2800001, 0xd2800002, 0xd2800003, // mov x0..x3, 0
			0xd2800928, // mov x8, 73 (ppoll)
			0xd4000001, // svc 0
			0x17fffffa, // b to the beginning
		} {
			code = binary.LittleEndian.AppendUint32(code, instruction)
		}
	default:
		return nil, fmt.Errorf("there is no pause program for %s", arch)
	}
	return elf(machine, code), nil
}

// elf wraps code into a 64-bit little-endian executable with one segment.
func elf(machine uint16, code []byte) []byte {
	const base, headers = 0x400000, 64 + 56
	size := uint64(headers + len(code))
	le := binary.LittleEndian
	out := []byte{0x7f, 'E', 'L', 'F', 2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0}
	out = le.AppendUint16(out, 2) // executable
	out = le.AppendUint16(out, machine)
	out = le.AppendUint32(out, 1)
	out = le.AppendUint64(out, base+headers) // entry
	out = le.AppendUint64(out, 64)           // program headers begin
	out = le.AppendUint64(out, 0)            // no section headers
	out = le.AppendUint32(out, 0)
	for _, v := range []uint16{64, 56, 1, 0, 0, 0} {
		out = le.AppendUint16(out, v)
	}
	out = le.AppendUint32(out, 1) // load
	out = le.AppendUint32(out, 5) // readable, executable
	for _, v := range []uint64{0, base, base, size, size, 0x10000} {
		out = le.AppendUint64(out, v)
	}
	return append(out, code...)
}

// pauseSpec returns the pause container. The task's containers share its /etc/hosts and resolver, so their
// settings for these go here.
func (e *Engine) pauseSpec(
	r *Record, b *Box, labels map[string]string, network runtime.Attachment,
) (runtime.Spec, error) {
	var shared struct {
		ExtraHosts []string `json:",omitempty"`
		DNS        []string `json:"Dns,omitempty"`
		DNSSearch  []string `json:"DnsSearch,omitempty"`
	}
	spec := runtime.Spec{
		Name: b.Name, Image: PauseImage, Labels: labels, Network: network, CPUShares: minCPUShares,
		Log: &runtime.LogDriver{Type: "none"}, CgroupParent: e.cgroupParent(r), IPCMode: "shareable",
	}
	if r.Task.NetworkMode != networkAwsvpc {
		return spec, nil
	}
	n := r.Task.NetworkInterfaces[0]
	shared.DNS, shared.DNSSearch = slices.Clone(n.DomainNameServers), slices.Clone(n.DomainName)
	for _, c := range r.Containers {
		for _, entry := range ownHosts(r, c.Def.DockerConfig.HostConfig) {
			if !slices.Contains(shared.ExtraHosts, entry) {
				shared.ExtraHosts = append(shared.ExtraHosts, entry)
			}
		}
	}
	shared.ExtraHosts = addHosts(shared.ExtraHosts, b.Hosts)
	hostConfig, err := json.Marshal(shared)
	if err != nil {
		return runtime.Spec{}, err
	}
	spec.HostConfig = string(hostConfig)
	return spec, nil
}
