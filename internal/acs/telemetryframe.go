package acs

import (
	"bufio"
	"bytes"
	"fmt"
	"net/textproto"
	"slices"
	"strings"
)

// The agent signs each telemetry frame: it has header lines as in HTTP, an empty line, and the JSON envelope
// (ecs-agent.md 9).

var headerEnd = []byte("\r\n\r\n")

// SplitTelemetryFrame splits a frame of the agent into headers, with canonical names, and the JSON envelope. A
// frame that begins with the envelope has no headers.
func SplitTelemetryFrame(frame []byte) (map[string][]string, []byte, error) {
	if trimmed := bytes.TrimLeft(frame, " \t\r\n"); len(trimmed) > 0 && trimmed[0] == '{' {
		return nil, trimmed, nil
	}
	head, body, found := bytes.Cut(frame, headerEnd)
	if !found {
		return nil, nil, fmt.Errorf("telemetry frame: no empty line ends its headers")
	}
	lines := textproto.NewReader(bufio.NewReader(bytes.NewReader(append(slices.Clip(head), headerEnd...))))
	headers, err := lines.ReadMIMEHeader()
	if err != nil {
		return nil, nil, fmt.Errorf("telemetry frame: %w", err)
	}
	if len(headers) == 0 {
		return nil, nil, fmt.Errorf("telemetry frame: it begins with an empty line")
	}
	return headers, body, nil
}

// JoinTelemetryFrame is the inverse of SplitTelemetryFrame. Headers are sorted by name.
func JoinTelemetryFrame(headers map[string][]string, body []byte) []byte {
	names := make([]string, 0, len(headers))
	for name := range headers {
		names = append(names, name)
	}
	slices.Sort(names)
	var b bytes.Buffer
	for _, name := range names {
		for _, value := range headers[name] {
			b.WriteString(name + ": " + strings.TrimSpace(value) + "\r\n")
		}
	}
	b.WriteString("\r\n")
	b.Write(body)
	return b.Bytes()
}
