// Package restwire implements the parts of AWS's REST protocols that do not concern bodies: it finds the operation for
// a method and a path, and reads and writes the members in the path, the query string and header fields. It is safe
// for concurrent use.
package restwire

import (
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// Route is the address of an operation.
type Route struct {
	Method string
	// Status is the HTTP status of answers without a fault.
	Status   int
	segments []segment
	query    map[string]string // required parameters of the query string; "" stands for any value
}

// segment is a part of a path between slashes.
type segment struct {
	text   string // if label is true, its name
	label  bool
	greedy bool // the label's value is the whole rest of the path, with its slashes
}

// ParseRoute reads a route in the form of the tags of shapes: "POST /zones/{Id}/rrset?op=x 201".
func ParseRoute(tag string) (*Route, error) {
	parts := strings.Fields(tag)
	if len(parts) != 3 || !strings.HasPrefix(parts[1], "/") {
		return nil, fmt.Errorf("route %q: not of the form METHOD /PATH STATUS", tag)
	}
	status, err := strconv.Atoi(parts[2])
	if err != nil || status < 200 || status > 299 {
		return nil, fmt.Errorf("route %q: no status of success", tag)
	}
	path, query, _ := strings.Cut(parts[1], "?")
	r := &Route{Method: parts[0], Status: status, query: map[string]string{}}
	for text := range strings.SplitSeq(strings.Trim(path, "/"), "/") {
		name, label := strings.CutPrefix(text, "{")
		name = strings.TrimSuffix(name, "}")
		s := segment{text: name, label: label}
		if label {
			s.text, s.greedy = strings.CutSuffix(name, "+")
		}
		r.segments = append(r.segments, s)
	}
	for pair := range strings.SplitSeq(query, "&") {
		if key, value, _ := strings.Cut(pair, "="); key != "" {
			r.query[key] = value
		}
	}
	return r, nil
}

// Match reports whether the route matches a request, and returns the values of its labels. weight is the number of
// segments and parameters that the route fixes. If several routes match, the one with the largest weight must be used.
func (r *Route) Match(method string, u *url.URL) (labels map[string]string, weight int, ok bool) {
	if method != r.Method && (method != http.MethodHead || r.Method != http.MethodGet) {
		return nil, 0, false
	}
	query := u.Query()
	for key, want := range r.query {
		if !query.Has(key) || want != "" && query.Get(key) != want {
			return nil, 0, false
		}
		weight++
	}
	labels = map[string]string{}
	rest := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, s := range r.segments {
		if i >= len(rest) {
			return nil, 0, false
		}
		text := rest[i]
		if s.greedy {
			text = strings.Join(rest[i:], "/")
			rest = rest[:i+1]
		}
		plain, err := url.PathUnescape(text)
		switch {
		case err != nil, s.label && plain == "", !s.label && plain != s.text:
			return nil, 0, false
		case s.label:
			labels[s.text] = plain
		default:
			weight++
		}
	}
	return labels, weight, len(rest) == len(r.segments)
}
