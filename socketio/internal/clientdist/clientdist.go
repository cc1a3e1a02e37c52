// Package clientdist serves the files of the official JavaScript client. They are embedded as published on npm.
//
// The files are third-party code under the MIT licence; see LICENSE and NOTICE beside this file. The script refresh.sh
// fetches a release and checks its published hash. Version must be changed with it.
package clientdist

import (
	"bytes"
	"compress/gzip"
	"embed"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
)

// Version is the release of the client, and the ETag of its files.
const Version = "4.8.4"

//go:embed dist/*.js dist/*.gz
var dist embed.FS

// file is one embedded file. It is embedded as it was published, or compressed with gzip.
type file struct {
	name, contentType string
	gzipped           bool // embedded in compressed form

	once        sync.Once
	plain, gzip []byte
}

func files() map[string]*file {
	all := make(map[string]*file)
	for _, base := range []string{"socket.io", "socket.io.min", "socket.io.esm.min", "socket.io.msgpack.min"} {
		js := base + ".js"
		all[js] = &file{name: js, contentType: "application/javascript; charset=utf-8"}
		all[js+".map"] = &file{name: js + ".map.gz", contentType: "application/json; charset=utf-8", gzipped: true}
	}
	return all
}

// Has reports whether path is one of the client's files below prefix.
func Has(prefix, path string) bool {
	name, ok := strings.CutPrefix(path, prefix)
	name, _ = strings.CutSuffix(name, ".map")
	switch name {
	case "socket.io.js", "socket.io.min.js", "socket.io.esm.min.js", "socket.io.msgpack.min.js":
		return ok
	}
	return false
}

// Handler serves the files below prefix, which ends in a slash.
func Handler(prefix string) http.Handler {
	all := files()
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		f := all[strings.TrimPrefix(r.URL.Path, prefix)]
		if f == nil || (r.Method != http.MethodGet && r.Method != http.MethodHead) {
			http.NotFound(w, r)
			return
		}
		f.serve(w, r)
	})
}

func (f *file) serve(w http.ResponseWriter, r *http.Request) {
	const etag = `"` + Version + `"`
	h := w.Header()
	h.Set("Cache-Control", "public, max-age=0")
	h.Set("Etag", etag)
	h.Set("Vary", "Accept-Encoding")
	if match := r.Header.Get("If-None-Match"); match == etag || match == "W/"+etag {
		w.WriteHeader(http.StatusNotModified)
		return
	}
	f.once.Do(f.load)
	body := f.plain
	if strings.Contains(r.Header.Get("Accept-Encoding"), "gzip") {
		body = f.gzip
		h.Set("Content-Encoding", "gzip")
	}
	h.Set("Content-Type", f.contentType)
	h.Set("Content-Length", strconv.Itoa(len(body)))
	if r.Method == http.MethodGet {
		_, _ = w.Write(body)
	}
}

// load reads the file and compresses or decompresses it, so that both forms are there. Reading an embedded file cannot
// fail.
func (f *file) load() {
	raw, _ := dist.ReadFile("dist/" + f.name)
	if f.gzipped {
		z, _ := gzip.NewReader(bytes.NewReader(raw))
		f.gzip = raw
		f.plain, _ = io.ReadAll(z)
		return
	}
	var b bytes.Buffer
	z, _ := gzip.NewWriterLevel(&b, gzip.BestCompression)
	_, _ = z.Write(raw)
	z.Close()
	f.plain, f.gzip = raw, b.Bytes()
}
