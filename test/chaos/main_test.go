// Package chaos tests Berth with faults, on a real machine: the server, agents, Docker, Redis and the disk fail at the
// worst moments, and clients send what they should not. Each test says what must still be true.
//
// The tests share the machine, so they run one after another. Random choices come from a seed that
// is printed; $CHAOS_SEED sets it.
package chaos

import (
	"math/rand/v2"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

func TestMain(m *testing.M) {
	os.Exit(harness.Main(m, map[string]string{
		"berth": "../../cmd/berth", "chat": "../../examples/chat", "web": "./testdata/web",
	}))
}

// dice makes the random choices of a test. They are the same for the same $CHAOS_SEED.
func dice(t testing.TB) *rand.Rand {
	t.Helper()
	seed := uint64(time.Now().UnixNano())
	if text := os.Getenv("CHAOS_SEED"); text != "" {
		var err error
		if seed, err = strconv.ParseUint(text, 10, 64); err != nil {
			t.Fatalf("CHAOS_SEED=%q: %v", text, err)
		}
	}
	t.Logf("CHAOS_SEED=%d", seed)
	return rand.New(rand.NewPCG(seed, 0))
}
