package control

import (
	"crypto/rand"
	"encoding/binary"
	"io"
	"log/slog"
	"time"

	"github.com/berthhq/berth/internal/state"
)

// Env is what every controller is given: the store, a logger, and the time and random numbers. A
// controller uses no others, so that a test or a simulator determines everything that happens.
type Env struct {
	Store  *state.Store
	Logger *slog.Logger
	Now    func() time.Time
	// Random is the source of ids and random choices. It must not fail. Run reads it from several
	// goroutines.
	Random io.Reader
}

// System is an Env with this machine's clock and random numbers.
func System(store *state.Store, logger *slog.Logger) Env {
	return Env{Store: store, Logger: logger, Now: time.Now, Random: rand.Reader}
}

// WithLogger returns an Env that logs to another logger.
func (e Env) WithLogger(logger *slog.Logger) Env {
	e.Logger = logger
	return e
}

// fraction returns a random number in [0,1).
func (e Env) fraction() float64 {
	var b [8]byte
	e.read(b[:])
	return float64(binary.LittleEndian.Uint64(b[:])>>11) / (1 << 53)
}

func (e Env) read(b []byte) {
	if _, err := io.ReadFull(e.Random, b); err != nil {
		panic("control: no random numbers: " + err.Error())
	}
}
