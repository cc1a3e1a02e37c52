package registry

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"cuelabs.dev/go/oci/ociregistry"
	"cuelabs.dev/go/oci/ociregistry/ociclient"

	"github.com/berthhq/berth/internal/image"
	"github.com/berthhq/berth/internal/registry/blob"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/file"
)

// TestMain lets TestKill9 run this program as the registry that it kills.
func TestMain(m *testing.M) {
	if dir := os.Getenv("BERTH_TEST_REGISTRY"); dir != "" {
		if err := serveForEver(dir); err != nil {
			panic(err)
		}
	}
	os.Exit(m.Run())
}

func serveForEver(dir string) error {
	logger := slog.New(slog.DiscardHandler)
	j, err := file.Open(dir)
	if err != nil {
		return err
	}
	store, err := state.Open(context.Background(), j, logger)
	if err != nil {
		return err
	}
	blobs, err := blob.Open(filepath.Join(dir, "registry"))
	if err != nil {
		return err
	}
	reg := New(Config{Account: account, Region: region, CreateOnPush: true, Now: time.Now, Logger: logger},
		store, blobs)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	fmt.Println(l.Addr())
	return http.Serve(l, NewHandler(reg, &Access{Open: true}, logger))
}

// startChild starts a registry as another process with the directory dir, and returns its address.
func startChild(t *testing.T, dir string) (cmd *exec.Cmd, host string) {
	t.Helper()
	cmd = exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "BERTH_TEST_REGISTRY="+dir)
	cmd.Stderr = t.Output()
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	line, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	return cmd, line[:len(line)-1]
}

// Killing the registry at any moment loses nothing that was answered (issue 2, section 4). Every image whose push was
// answered can be pulled completely, and a tag that was not answered either does not exist or has a complete image.
func TestKill9(t *testing.T) {
	dir := t.TempDir()
	pushed := map[string]string{} // digest by tag, of answered pushes
	tried := 0
	for round := range 5 {
		cmd, host := startChild(t, dir)
		killed := make(chan struct{})
		time.AfterFunc(time.Duration(20+round*37)*time.Millisecond, func() {
			cmd.Process.Kill()
			close(killed)
		})
		for err := error(nil); err == nil; tried++ {
			img := tiny(t, fmt.Sprint("content ", tried))
			tag := fmt.Sprint("t", tried)
			if err = image.Push(t.Context(), host+"/chat:"+tag, img, image.Auth{}); err == nil {
				pushed[tag] = img.Digest()
			}
		}
		<-killed
		cmd.Wait()
	}
	cmd, host := startChild(t, dir)
	defer cmd.Wait()
	defer cmd.Process.Kill()
	reg, err := ociclient.New(host, &ociclient.Options{Insecure: true})
	if err != nil {
		t.Fatal(err)
	}
	for n := range tried {
		tag := fmt.Sprint("t", n)
		desc, err := reg.ResolveTag(t.Context(), "chat", tag)
		switch digest, answered := pushed[tag]; {
		case err != nil && answered:
			t.Errorf("%s was answered and is gone: %v", tag, err)
		case err != nil:
		case answered && desc.Digest.String() != digest:
			t.Errorf("%s is %s, not %s", tag, desc.Digest, digest)
		default:
			pull(t, reg, tag)
		}
	}
	t.Logf("%d of %d pushes were answered", len(pushed), tried)
}

// pull reads an image and all its content. The client checks the digests.
func pull(t *testing.T, reg ociregistry.Reader, tag string) {
	t.Helper()
	whole := func(r ociregistry.BlobReader, err error) []byte {
		t.Helper()
		if err != nil {
			t.Fatalf("%s: %v", tag, err)
		}
		defer r.Close()
		b, err := io.ReadAll(r)
		if err != nil {
			t.Fatalf("%s: %v", tag, err)
		}
		return b
	}
	var m ociregistry.Manifest
	if err := json.Unmarshal(whole(reg.GetTag(t.Context(), "chat", tag)), &m); err != nil {
		t.Fatalf("%s: %v", tag, err)
	}
	for _, d := range append(m.Layers, m.Config) {
		whole(reg.GetBlob(t.Context(), "chat", d.Digest))
	}
}
