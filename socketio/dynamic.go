package socketio

import (
	"maps"
	"slices"
)

// match is a template of OfMatch, with the function that says for which names it is used.
type match struct {
	wants  func(name string, h Handshake) bool
	parent *Namespace
}

// OfMatch returns a template for namespaces that are made on demand. When a client wants to join a namespace that
// was not made by Of, and wants returns true for its name, the namespace is made with the handlers that the
// template has at that moment. It ends with its last client, unless Options.KeepEmpty is set. The template itself
// has no clients.
func (srv *Server) OfMatch(wants func(name string, h Handshake) bool) *Namespace {
	parent := &Namespace{name: "", srv: srv, adapter: noAdapter{}}
	parent.hooks.Store(&hooks{})
	srv.mu.Lock()
	defer srv.mu.Unlock()
	srv.matches = append(srv.matches, match{wants, parent})
	return parent
}

// enter returns the namespace that a client wants to join and adds one to its clients, so that the namespace does not
// end before the client has joined. It makes the namespace if there is a template for it, and returns nil otherwise.
func (srv *Server) enter(name string, h Handshake) *Namespace {
	srv.mu.RLock()
	ns, matches := srv.namespaces[name], srv.matches
	if ns != nil {
		ns.clients.Add(1)
	}
	srv.mu.RUnlock()
	if ns != nil {
		return ns
	}
	for _, m := range matches {
		if m.wants(name, h) {
			return srv.child(name, m.parent)
		}
	}
	return nil
}

// child returns the namespace of that name, made from a template if it does not exist, and adds one to its clients.
func (srv *Server) child(name string, parent *Namespace) *Namespace {
	srv.mu.Lock()
	defer srv.mu.Unlock()
	ns := srv.namespaces[name]
	if ns == nil {
		ns = newNamespace(srv, name)
		ns.parent = parent
		ns.hooks.Store(parent.hooks.Load())
		srv.namespaces[name] = ns
		for _, f := range srv.onNamespace {
			f(ns)
		}
	}
	ns.clients.Add(1)
	return ns
}

// exit undoes enter when a client has left or was refused. It removes a namespace that was made from a template and
// has no clients any more, unless Options.KeepEmpty is set.
func (ns *Namespace) exit() {
	srv := ns.srv
	if ns.clients.Add(-1) > 0 || ns.parent == nil || srv.opt.KeepEmpty {
		return
	}
	srv.mu.Lock()
	empty := ns.clients.Load() == 0 && srv.namespaces[ns.name] == ns
	if empty {
		delete(srv.namespaces, ns.name)
	}
	srv.mu.Unlock()
	if !empty {
		return
	}
	if err := ns.adapter.Close(); err != nil {
		srv.log.Warn("socketio: closing an adapter", "namespace", ns.name, "error", err)
	}
}

// Namespaces returns the names of the existing namespaces, sorted.
func (srv *Server) Namespaces() []string {
	srv.mu.RLock()
	defer srv.mu.RUnlock()
	return slices.Sorted(maps.Keys(srv.namespaces))
}
