package docker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Logs yields what the container wrote.
func (e *Engine) Logs(ctx context.Context, id string, since time.Time, follow bool) iter.Seq2[runtime.LogEntry, error] {
	return func(yield func(runtime.LogEntry, error) bool) {
		c, err := e.Inspect(ctx, id)
		if err != nil {
			yield(runtime.LogEntry{}, err)
			return
		}
		options := client.ContainerLogsOptions{ShowStdout: true, ShowStderr: true, Timestamps: true, Follow: follow}
		if !since.IsZero() {
			options.Since = fmt.Sprintf("%d.%09d", since.Unix(), since.Nanosecond())
		}
		body, err := e.api.ContainerLogs(ctx, id, options)
		if err != nil {
			yield(runtime.LogEntry{}, wrap(err))
			return
		}
		defer body.Close()
		next := framed(body)
		if c.TTY {
			next = lines(body)
		}
		for {
			entry, err := next()
			if errors.Is(err, io.EOF) {
				return
			}
			if !yield(entry, wrap(err)) || err != nil {
				return
			}
		}
	}
}

// framed reads the engine's multiplexed form: one byte for the stream, three of
// nothing, four for the length, then one entry.
func framed(r io.Reader) func() (runtime.LogEntry, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	return func() (runtime.LogEntry, error) {
		var header [8]byte
		if _, err := io.ReadFull(buffered, header[:]); err != nil {
			return runtime.LogEntry{}, err
		}
		text := make([]byte, binary.BigEndian.Uint32(header[4:]))
		if _, err := io.ReadFull(buffered, text); err != nil {
			return runtime.LogEntry{}, err
		}
		return stamped(text, header[0] == 2)
	}
}

// lines reads the form of a container with a terminal: lines and nothing else.
func lines(r io.Reader) func() (runtime.LogEntry, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	return func() (runtime.LogEntry, error) {
		line, err := buffered.ReadBytes('\n')
		if len(line) == 0 {
			return runtime.LogEntry{}, err
		}
		return stamped(line, false)
	}
}

// stamped takes the engine's time stamp off the front of an entry.
func stamped(text []byte, stderr bool) (runtime.LogEntry, error) {
	stamp, rest, _ := bytes.Cut(text, []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return runtime.LogEntry{}, fmt.Errorf("log entry without a time: %w", err)
	}
	return runtime.LogEntry{At: at, Stderr: stderr, Text: rest}, nil
}
