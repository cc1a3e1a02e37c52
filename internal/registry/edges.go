package registry

import (
	"bytes"
	"net/http"
	"strconv"
)

// lists corrects answers that are lists. The protocol's server writes null for an empty list, where the
// specification requires a list, and names the repository by the path that byHost made. An answer is written in
// one piece.
type lists struct {
	http.ResponseWriter
	code        int
	path, asked string // of the repository: in the answer, and as the client wrote it
}

// listed returns w unchanged for requests whose answer is not a list. asked is the path of the repository as
// the client wrote it.
func listed(w http.ResponseWriter, at place, asked string) http.ResponseWriter {
	if at.kind == "tags" || at.kind == "referrers" || at.kind == "" {
		return &lists{w, http.StatusOK, at.repository, asked}
	}
	return w
}

// WriteHeader waits for the body, whose length is in a header.
func (l *lists) WriteHeader(code int) { l.code = code }

func (l *lists) Write(body []byte) (int, error) {
	out := body
	if rest, ok := bytes.CutPrefix(body, []byte(`{"name":"`+l.path+`"`)); ok && l.path != l.asked {
		out = append([]byte(`{"name":"`+l.asked+`"`), rest...)
	}
	// inside a string the quotes would be escaped
	for _, key := range []string{`"tags":`, `"repositories":`, `"manifests":`} {
		out = bytes.Replace(out, []byte(key+"null"), []byte(key+"[]"), 1)
	}
	l.Header().Set("Content-Length", strconv.Itoa(len(out)))
	l.ResponseWriter.WriteHeader(l.code)
	if _, err := l.ResponseWriter.Write(out); err != nil {
		return 0, err
	}
	return len(body), nil
}
