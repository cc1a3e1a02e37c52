package registry

import (
	"bytes"
	"net/http"
	"strconv"
)

// lists writes the answers that are lists. The protocol's server makes null of a list of nothing, where the specification says a list,
// and names the repository by the path that byHost made. It writes each answer in one piece.
type lists struct {
	http.ResponseWriter
	code        int
	path, asked string // of the repository: in the answer, and as the client wrote it
}

// listed returns w for requests whose answer is no list. asked is the path of the repository as the client wrote it.
func listed(w http.ResponseWriter, at place, asked string) http.ResponseWriter {
	if at.kind == "tags" || at.kind == "referrers" || at.kind == "" {
		return &lists{w, http.StatusOK, at.repository, asked}
	}
	return w
}

// WriteHeader waits for the body, whose length is one of the headers.
func (l *lists) WriteHeader(code int) { l.code = code }

func (l *lists) Write(body []byte) (int, error) {
	out := body
	if rest, ok := bytes.CutPrefix(body, []byte(`{"name":"`+l.path+`"`)); ok && l.path != l.asked {
		out = append([]byte(`{"name":"`+l.asked+`"`), rest...)
	}
	for _, key := range []string{`"tags":`, `"repositories":`, `"manifests":`} { // in a string the quotes would be escaped
		out = bytes.Replace(out, []byte(key+"null"), []byte(key+"[]"), 1)
	}
	l.Header().Set("Content-Length", strconv.Itoa(len(out)))
	l.ResponseWriter.WriteHeader(l.code)
	if _, err := l.ResponseWriter.Write(out); err != nil {
		return 0, err
	}
	return len(body), nil
}
