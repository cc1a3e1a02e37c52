package local

import (
	"bytes"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"testing"
)

// A full log is renamed while its agent keeps writing, and the size of all logs is counted.
func TestLogsOfInstancesAreBounded(t *testing.T) {
	d := New(Config{Dir: t.TempDir(), Logger: slog.New(slog.DiscardHandler)})
	dir := filepath.Join(d.cfg.Dir, "i-1")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	log, err := openLog(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer log.Close()
	write := func(text []byte) {
		t.Helper()
		if _, err := log.Write(text); err != nil {
			t.Fatal(err)
		}
	}
	d.boundLogs()
	if d.LogBytes() != 0 {
		t.Errorf("%d bytes of an empty log", d.LogBytes())
	}
	write(bytes.Repeat([]byte("a"), maxLog))
	d.boundLogs()
	if d.LogBytes() != maxLog {
		t.Errorf("%d bytes, want %d", d.LogBytes(), maxLog)
	}
	write([]byte("last"))
	d.boundLogs() // the log is full now
	write([]byte("first of the next"))
	d.boundLogs()
	if want := int64(maxLog + len("last") + len("first of the next")); d.LogBytes() != want {
		t.Errorf("%d bytes, want %d", d.LogBytes(), want)
	}
	if text, err := os.ReadFile(logFile(dir)); err != nil || string(text) != "first of the next" {
		t.Errorf("%.40q %v", text, err)
	}
	aside, err := os.ReadFile(logFile(dir) + ".1")
	if err != nil || len(aside) != maxLog+4 || !bytes.HasSuffix(aside, []byte("aalast")) {
		t.Errorf("put aside are %d bytes, %v", len(aside), err)
	}

	// If a log has grown far beyond the limit, its end is kept.
	if _, err := io.CopyN(log, bytes.NewReader(make([]byte, 5*maxLog)), 5*maxLog); err != nil {
		t.Fatal(err)
	}
	write([]byte("the end"))
	d.boundLogs()
	aside, err = os.ReadFile(logFile(dir) + ".1")
	if err != nil || len(aside) != 2*maxLog || !bytes.HasSuffix(aside, []byte("the end")) || d.LogBytes() != 2*maxLog {
		t.Errorf("put aside are %d bytes, of %d counted, %v", len(aside), d.LogBytes(), err)
	}
}
