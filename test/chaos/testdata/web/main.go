// Command web is the program that the chaos tests run in containers. GET / answers the container's name, and POST /end
// ends the program like a crash. After SIGTERM it finishes its requests.
package main

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	host, err := os.Hostname()
	if err != nil {
		fmt.Println(err)
		os.Exit(1)
	}
	http.HandleFunc("GET /", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, host) })
	http.HandleFunc("POST /end", func(http.ResponseWriter, *http.Request) { os.Exit(3) })
	s := &http.Server{Addr: ":3000"}
	context.AfterFunc(ctx, func() { s.Shutdown(context.Background()) })
	if err := s.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Println(err)
		os.Exit(1)
	}
}
