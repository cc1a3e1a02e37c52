package registry

import (
	"crypto/rand"
	"crypto/sha256"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

// BenchmarkLayer pushes and pulls a layer of 32 MiB over loopback. It compares that with writing the same bytes to a
// file, hashing and syncing it, which is the least that a registry has to do.
func BenchmarkLayer(b *testing.B) {
	const size = 32 << 20
	content := make([]byte, size)
	rand.Read(content)
	quiet := slog.New(slog.DiscardHandler)
	store, err := state.Open(b.Context(), mem.New(), quiet)
	if err != nil {
		b.Fatal(err)
	}
	defer store.Close()
	blobs, err := blob.Open(b.TempDir())
	if err != nil {
		b.Fatal(err)
	}
	reg := New(Config{Account: account, Region: region, CreateOnPush: true, Now: time.Now, Logger: quiet}, store, blobs)
	server := httptest.NewServer(NewHandler(reg, &Access{Open: true}, quiet))
	defer server.Close()

	var floor, push, pull time.Duration
	for n := 0; b.Loop(); n++ {
		copy(content, fmt.Sprint(n)) // other bytes each time
		begin := time.Now()
		writeFile(b, content)
		floor += time.Since(begin)

		digest := blob.Digest(content)
		begin = time.Now()
		resp, err := http.Post(server.URL+"/v2/bench/blobs/uploads/?digest="+digest, octets,
			strings.NewReader(string(content)))
		if err != nil || resp.StatusCode != http.StatusCreated {
			b.Fatal(resp, err)
		}
		resp.Body.Close()
		push += time.Since(begin)

		begin = time.Now()
		if resp, err = http.Get(server.URL + "/v2/bench/blobs/" + digest); err != nil {
			b.Fatal(err)
		}
		if got, err := io.Copy(io.Discard, resp.Body); got != size || err != nil {
			b.Fatal(got, err)
		}
		resp.Body.Close()
		pull += time.Since(begin)
	}
	rate := func(d time.Duration) float64 { return float64(b.N) * size / 1e6 / d.Seconds() }
	b.ReportMetric(rate(push), "push-MB/s")
	b.ReportMetric(rate(pull), "pull-MB/s")
	b.ReportMetric(push.Seconds()/floor.Seconds(), "push/write")
}

func writeFile(b *testing.B, content []byte) {
	f, err := os.Create(filepath.Join(b.TempDir(), "f"))
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	sum := sha256.New()
	if _, err := io.MultiWriter(f, sum).Write(content); err != nil {
		b.Fatal(err)
	}
	sum.Sum(nil)
	if err := f.Sync(); err != nil {
		b.Fatal(err)
	}
}
