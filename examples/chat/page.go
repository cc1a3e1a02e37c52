package main

import (
	"embed"
	"encoding/json"
	"io/fs"
	"net/http"

	"github.com/berthhq/berth/socketio"
)

//go:embed page
var pages embed.FS

func routes(io *socketio.Server, here where) http.Handler {
	page, err := fs.Sub(pages, "page")
	if err != nil {
		panic(err) // the directory is embedded
	}
	mux := http.NewServeMux()
	mux.Handle("/socket.io/", io)
	mux.HandleFunc("GET /whoami", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Cache-Control", "no-store")
		_ = json.NewEncoder(w).Encode(here) // an error means that the client has disconnected
	})
	mux.Handle("/", http.FileServerFS(page))
	return mux
}
