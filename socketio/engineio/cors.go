package engineio

import (
	"net/http"
	"slices"
	"strings"
)

// CORS says which pages of other origins may use the server over HTTP. WebSockets are not limited by
// CORS: check the Origin header in Options.Allow for those.
type CORS struct {
	// Origins are the allowed ones; "*" alone allows all.
	Origins []string
	// Credentials lets pages send cookies.
	Credentials bool
	// Methods of preflight answers. Default GET,HEAD,PUT,PATCH,POST,DELETE.
	Methods []string
	// Headers that pages may send. Default: whatever the preflight asks for.
	Headers []string
	// Exposed headers.
	Exposed []string
}

// Apply sets the headers and reports whether r was a preflight, which is then answered. A nil CORS does
// nothing.
func (c *CORS) Apply(w http.ResponseWriter, r *http.Request) (done bool) {
	if c == nil {
		return false
	}
	h := w.Header()
	origin := r.Header.Get("Origin")
	switch {
	case slices.Equal(c.Origins, []string{"*"}) && !c.Credentials:
		h.Set("Access-Control-Allow-Origin", "*")
	default:
		h.Add("Vary", "Origin")
		if origin != "" && (slices.Contains(c.Origins, origin) || slices.Contains(c.Origins, "*")) {
			h.Set("Access-Control-Allow-Origin", origin)
		}
	}
	if c.Credentials {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if r.Method != http.MethodOptions {
		if len(c.Exposed) > 0 {
			h.Set("Access-Control-Expose-Headers", strings.Join(c.Exposed, ","))
		}
		return false
	}
	methods := c.Methods
	if methods == nil {
		methods = []string{"GET", "HEAD", "PUT", "PATCH", "POST", "DELETE"}
	}
	h.Set("Access-Control-Allow-Methods", strings.Join(methods, ","))
	if c.Headers != nil {
		h.Set("Access-Control-Allow-Headers", strings.Join(c.Headers, ","))
	} else {
		h.Add("Vary", "Access-Control-Request-Headers") // also if the request names none, for caches
		if asked := r.Header.Get("Access-Control-Request-Headers"); asked != "" {
			h.Set("Access-Control-Allow-Headers", asked)
		}
	}
	h.Set("Content-Length", "0")
	w.WriteHeader(http.StatusNoContent)
	return true
}
