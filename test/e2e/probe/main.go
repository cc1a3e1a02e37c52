// Command probe is the program that the end-to-end tests run in tasks: a web server that answers with what a container
// sees. It listens on $PORT (8080), and exits with 0 on SIGTERM. If $BURN is set, it uses a tenth of a
// processor.
//
//	/             the value of $ANSWER
//	/env          the environment, as JSON
//	/metadata     what the task metadata endpoint answers for the task
//	/stats        what it answers for the container's usage
//	/credentials  what the credentials endpoint of the task's role answers
//	/memory       the memory limit in bytes, of the container's control group of either version
//	/addresses    the addresses of the container's interfaces, as JSON
//	/seen         $ANSWER, " from " and the X-Forwarded-For of the request
//	/fetch        the answer of the url in the query; the request has the Host of host if there is one
//	/cookies      the names of the cookies that the url in the query sets, as JSON
//	/redis        what the Redis of $REDIS_ENDPOINT, a redis:// address, answers to PING
package main

import (
	"bufio"
	"cmp"
	"context"
	"crypto/sha256"
	"encoding/json"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if os.Getenv("BURN") != "" {
		go burn()
	}
	mux := http.NewServeMux()
	mux.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprint(w, os.Getenv("ANSWER")) })
	mux.HandleFunc("/burn", func(http.ResponseWriter, *http.Request) { spin(hashesOfRequest) })
	mux.HandleFunc("/env", environment)
	mux.HandleFunc("/metadata", ask("ECS_CONTAINER_METADATA_URI_V4", "", "/task"))
	mux.HandleFunc("/stats", ask("ECS_CONTAINER_METADATA_URI_V4", "", "/stats"))
	mux.HandleFunc("/credentials", ask("AWS_CONTAINER_CREDENTIALS_RELATIVE_URI", "http://169.254.170.2", ""))
	mux.HandleFunc("/memory", memory)
	mux.HandleFunc("/redis", ping)
	mux.HandleFunc("/addresses", addresses)
	mux.HandleFunc("/seen", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintf(w, "%s from %s", os.Getenv("ANSWER"), r.Header.Get("X-Forwarded-For"))
	})
	mux.HandleFunc("/fetch", func(w http.ResponseWriter, r *http.Request) {
		if resp := pass(w, r); resp != nil {
			defer resp.Body.Close()
			w.WriteHeader(resp.StatusCode)
			_, _ = io.Copy(w, resp.Body)
		}
	})
	mux.HandleFunc("/cookies", func(w http.ResponseWriter, r *http.Request) {
		if resp := pass(w, r); resp != nil {
			defer resp.Body.Close()
			names := []string{}
			for _, c := range resp.Cookies() {
				names = append(names, c.Name)
			}
			_ = json.NewEncoder(w).Encode(map[string]any{"cookies": names})
		}
	})
	server := &http.Server{
		Addr: ":" + cmp.Or(os.Getenv("PORT"), "8080"), Handler: mux, ReadHeaderTimeout: 10 * time.Second,
	}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	log.Printf("probe %s listens on %s", os.Getenv("ANSWER"), server.Addr)
	select {
	case err := <-failed:
		log.Fatal(err)
	case <-ctx.Done():
	}
	last, cancel := context.WithTimeout(context.Background(), 5*time.Second)
	defer cancel()
	if err := server.Shutdown(last); err != nil {
		log.Fatal(err)
	}
}

// burn uses about a tenth of a processor.
func burn() {
	for range time.Tick(100 * time.Millisecond) {
		spin(hashesOfRequest)
	}
}

// hashesOfRequest cost a few milliseconds of a processor.
const hashesOfRequest = 100_000

func spin(hashes int) {
	var sum [sha256.Size]byte
	for range hashes {
		sum = sha256.Sum256(sum[:])
	}
}

func environment(w http.ResponseWriter, _ *http.Request) {
	env := make(map[string]string)
	for _, e := range os.Environ() {
		name, value, _ := strings.Cut(e, "=")
		env[name] = value
	}
	_ = json.NewEncoder(w).Encode(env) // an error means that the client has disconnected
}

// ask answers with the answer of another server. Its URL is the value of a variable between two texts.
func ask(variable, before, behind string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		value, ok := os.LookupEnv(variable)
		if !ok {
			http.Error(w, variable+" is not set", http.StatusNotFound)
			return
		}
		resp, err := http.Get(before + value + behind)
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		_, _ = io.Copy(w, resp.Body)
	}
}

// pass gets the url in a request's query. If that fails, it answers with the reason.
func pass(w http.ResponseWriter, r *http.Request) *http.Response {
	out, err := http.NewRequestWithContext(r.Context(), http.MethodGet, r.URL.Query().Get("url"), nil)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return nil
	}
	out.Host = cmp.Or(r.URL.Query().Get("host"), out.Host)
	client := http.Client{Timeout: 5 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}}
	resp, err := client.Do(out)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return nil
	}
	return resp
}

func addresses(w http.ResponseWriter, _ *http.Request) {
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	all := []string{}
	for _, a := range addrs {
		all = append(all, a.String())
	}
	_ = json.NewEncoder(w).Encode(map[string]any{"addresses": all})
}

func memory(w http.ResponseWriter, r *http.Request) {
	for _, file := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if limit, err := os.ReadFile(file); err == nil {
			fmt.Fprint(w, strings.TrimSpace(string(limit)))
			return
		}
	}
	http.NotFound(w, r)
}

func ping(w http.ResponseWriter, r *http.Request) {
	conn, err := net.DialTimeout("tcp", strings.TrimPrefix(os.Getenv("REDIS_ENDPOINT"), "redis://"), 5*time.Second)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	defer conn.Close()
	fmt.Fprint(conn, "PING\r\n")
	answer, err := bufio.NewReader(conn).ReadString('\n')
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadGateway)
		return
	}
	fmt.Fprint(w, strings.TrimSpace(answer))
}
