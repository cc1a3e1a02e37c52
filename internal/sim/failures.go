package sim

import (
	"context"
	"log/slog"
	"strings"
)

// failures is a slog.Handler that adds warnings of controllers to the report, for example that a metric could not be
// read.
type failures struct {
	w     *world
	attrs []slog.Attr
}

// Enabled implements slog.Handler.
func (f *failures) Enabled(_ context.Context, l slog.Level) bool { return l >= slog.LevelWarn }

// Handle implements slog.Handler.
func (f *failures) Handle(_ context.Context, r slog.Record) error {
	var about []string
	add := func(a slog.Attr) bool {
		if a.Key != "stack" {
			about = append(about, a.Key+"="+a.Value.String())
		}
		return true
	}
	for _, a := range f.attrs {
		add(a)
	}
	r.Attrs(add)
	f.w.history.add(Decision{At: f.w.now, Kind: "failure", Subject: r.Message, Text: strings.Join(about, " "),
		Refused: true})
	return nil
}

// WithAttrs implements slog.Handler.
func (f *failures) WithAttrs(attrs []slog.Attr) slog.Handler {
	return &failures{f.w, append(append([]slog.Attr(nil), f.attrs...), attrs...)}
}

// WithGroup implements slog.Handler.
func (f *failures) WithGroup(string) slog.Handler { return f }
