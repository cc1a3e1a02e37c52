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

// framed reads the engine's multiplexed format: one byte for the stream, three zero bytes, four for the length,
// then one entry.
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

// partial is the size in bytes of the entries into which the engine splits a long line. An entry of that size
// without a line feed continues in the next one of its stream. All others end a line, although the engine's
// driver "local" (20.10) omits the line feed of a long line.
const partial = 16 << 10

func ended(text []byte) []byte {
	if len(text) < partial && !bytes.HasSuffix(text, []byte("\n")) {
		return append(text, '\n')
	}
	return text
}

// lines reads the format of a container with a terminal: time stamps, each followed by a space and the text of
// an entry, whose length is not given.
func lines(r io.Reader) func() (runtime.LogEntry, error) {
	buffered := bufio.NewReaderSize(r, 64<<10)
	goesOn := false
	return func() (runtime.LogEntry, error) {
		stamp, err := buffered.ReadSlice(' ')
		if err != nil {
			if errors.Is(err, io.EOF) && len(stamp) > 0 {
				err = io.ErrUnexpectedEOF
			}
			return runtime.LogEntry{}, err
		}
		entry := bytes.Clone(stamp)
		for range partial {
			if goesOn && atStamp(buffered) {
				break // the end of a long line
			}
			b, err := buffered.ReadByte()
			if errors.Is(err, io.EOF) {
				break
			}
			if err != nil {
				return runtime.LogEntry{}, err
			}
			if entry = append(entry, b); b == '\n' {
				break
			}
		}
		e, err := stamped(entry, false)
		goesOn = err == nil && !bytes.HasSuffix(e.Text, []byte("\n"))
		return e, err
	}
}

// stampForm is the engine's time stamp with the space after it.
const stampForm = "2006-01-02T15:04:05.000000000Z07:00 "

// atStamp reports whether a time stamp comes next.
func atStamp(r *bufio.Reader) bool {
	if first, err := r.Peek(1); err != nil || first[0] != '2' {
		return false
	}
	next, err := r.Peek(len("2006-01-02T15:04:05.000000000Z "))
	if err == nil {
		_, err = time.Parse(stampForm, string(next))
	}
	return err == nil
}

// stamped cuts the engine's time stamp off an entry.
func stamped(text []byte, stderr bool) (runtime.LogEntry, error) {
	stamp, rest, _ := bytes.Cut(text, []byte(" "))
	at, err := time.Parse(time.RFC3339Nano, string(stamp))
	if err != nil {
		return runtime.LogEntry{}, fmt.Errorf("log entry without a time: %w", err)
	}
	return runtime.LogEntry{At: at, Stderr: stderr, Text: ended(rest)}, nil
}
