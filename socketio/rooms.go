package socketio

import (
	"slices"
	"sync"

	"github.com/berthhq/berth/socketio/adapter"
)

// rooms records the sockets of a namespace and the rooms that they are in. Every socket is also in a room whose name is
// its id; that room is not stored.
type rooms struct {
	mu      sync.RWMutex
	sockets map[string]*Socket    // by id
	all     socketSet             // the values of sockets
	members map[string]*socketSet // by room
	pids    map[string]*Socket    // by private id; empty without recovery
}

func (r *rooms) add(s *Socket) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if old := r.sockets[s.id]; old != nil { // a recovered client whose old connection has not ended yet
		r.all.remove(old)
	}
	r.sockets[s.id] = s
	r.all.add(s)
	if s.pid != "" {
		r.pids[s.pid] = s
	}
}

// remove takes s out of the namespace and of all rooms, and returns the rooms that are empty now. It does not change
// s.rooms, which disconnect handlers may read.
func (r *rooms) remove(s *Socket) (emptied []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sockets[s.id] != s {
		return nil
	}
	delete(r.sockets, s.id)
	r.all.remove(s)
	delete(r.pids, s.pid)
	for _, room := range s.rooms {
		if r.removeMember(s, room) {
			emptied = append(emptied, room)
		}
	}
	return emptied
}

// join adds the socket to rooms. It returns those that it was not in before, and those that did not exist before.
func (r *rooms) join(s *Socket, names []string) (joined, created []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.sockets[s.id] != s {
		return nil, nil
	}
	for _, room := range names {
		if room == s.id || slices.Contains(s.rooms, room) {
			continue
		}
		m := r.members[room]
		if m == nil {
			m = &socketSet{}
			r.members[room] = m
			created = append(created, room)
		}
		m.add(s)
		s.rooms = append(s.rooms, room)
		joined = append(joined, room)
	}
	return joined, created
}

// leave takes the socket out of rooms. It returns those that it was in, and those that are empty now.
func (r *rooms) leave(s *Socket, names []string) (left, emptied []string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, room := range names {
		i := slices.Index(s.rooms, room)
		if i < 0 || r.sockets[s.id] != s {
			continue
		}
		s.rooms = slices.Delete(s.rooms, i, i+1)
		left = append(left, room)
		if r.removeMember(s, room) {
			emptied = append(emptied, room)
		}
	}
	return left, emptied
}

// removeMember takes the socket out of a room, deletes the room if it is empty then, and reports whether it was
// deleted.
func (r *rooms) removeMember(s *Socket, room string) (emptied bool) {
	m := r.members[room]
	m.remove(s)
	if len(m.list) > 0 {
		return false
	}
	delete(r.members, room)
	return true
}

// of returns the rooms that the socket is in, the one with its id first.
func (r *rooms) of(s *Socket) []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return append([]string{s.id}, s.rooms...)
}

func (r *rooms) has(room string) bool {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.members[room] != nil || r.sockets[room] != nil
}

func (r *rooms) names() []string {
	r.mu.RLock()
	defer r.mu.RUnlock()
	all := make([]string, 0, len(r.members)+len(r.sockets))
	for room := range r.members {
		all = append(all, room)
	}
	for id := range r.sockets {
		all = append(all, id)
	}
	return all
}

func (r *rooms) get(id string) *Socket {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.sockets[id]
}

func (r *rooms) byPrivateID(pid string) *Socket {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return r.pids[pid]
}

func (r *rooms) len() int {
	r.mu.RLock()
	defer r.mu.RUnlock()
	return len(r.sockets)
}

// each calls f once for every selected socket. It holds the lock for reading, so f must return quickly and must not
// change rooms.
func (r *rooms) each(t adapter.Target, f func(*Socket)) {
	r.mu.RLock()
	defer r.mu.RUnlock()
	if len(t.Rooms) == 0 {
		for _, s := range r.all.list {
			if !s.excepted(t.Except) {
				f(s)
			}
		}
		return
	}
	var seen map[*Socket]struct{}
	if len(t.Rooms) > 1 {
		seen = make(map[*Socket]struct{})
	}
	visit := func(s *Socket) {
		if _, again := seen[s]; again || s.excepted(t.Except) {
			return
		}
		if seen != nil {
			seen[s] = struct{}{}
		}
		f(s)
	}
	for _, room := range t.Rooms {
		if s := r.sockets[room]; s != nil {
			visit(s)
		}
		if m := r.members[room]; m != nil {
			for _, s := range m.list {
				visit(s)
			}
		}
	}
}

// selected returns the sockets that t selects.
func (r *rooms) selected(t adapter.Target) []*Socket {
	var all []*Socket
	r.each(t, func(s *Socket) { all = append(all, s) })
	return all
}

// excepted reports whether the socket is in any of the rooms. The caller holds the lock of the namespace's rooms.
func (s *Socket) excepted(except []string) bool {
	for _, room := range except {
		if room == s.id || slices.Contains(s.rooms, room) {
			return true
		}
	}
	return false
}
