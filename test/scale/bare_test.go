package scale

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

// bareMode is the environment variable that makes the test program a bare server.
const bareMode = "BERTH_BARE_SERVER"

// serveBare answers as net/http does when a handler reads the body and writes as many bytes as the path says.
// It is what a call of the API is compared with. It ends when its standard input does.
func serveBare() error {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		listener.Close()
	}()
	fmt.Println(listener.Addr())
	return http.Serve(listener, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		size, err := strconv.Atoi(strings.TrimPrefix(r.URL.Path, "/"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadRequest)
			return
		}
		if _, err := io.Copy(io.Discard, r.Body); err != nil {
			return // the client is gone
		}
		w.Header().Set("Content-Type", "application/x-amz-json-1.1")
		_, _ = w.Write(make([]byte, size))
	}))
}

// bare is a bare server in a separate process.
type bare struct {
	url string
	pid int
}

func newBare(b *testing.B) bare {
	b.Helper()
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), bareMode+"=1")
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		b.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		b.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		in.Close()
		_ = cmd.Wait() // it ends with the error of a closed listener
	})
	address, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		b.Fatal(err)
	}
	return bare{"http://" + strings.TrimSpace(address), cmd.Process.Pid}
}

// call sends a body and reads an answer of size bytes.
func (s bare) call(b *testing.B, client *http.Client, body []byte, size int) {
	b.Helper()
	answer, err := client.Post(fmt.Sprint(s.url, "/", size), "application/x-amz-json-1.1", bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	defer answer.Body.Close()
	if n, err := io.Copy(io.Discard, answer.Body); err != nil || n != int64(size) {
		b.Fatalf("%d of %d bytes: %v", n, size, err)
	}
}
