package sigv4

import "sync"

// mostSigningKeys is how many signing keys are stored at most. It is enough for 5,000 agents that
// call three services each.
const mostSigningKeys = 15_000

// signingKeys caches signing keys, because deriving one is four of the five steps of a signature.
// The zero value is ready to use, and safe for concurrent use.
type signingKeys struct {
	mu   sync.Mutex
	kept map[origin][]byte
}

// origin is what a signing key is derived from.
type origin struct{ secret, date, region, service string }

func (s *signingKeys) get(from origin) (key []byte, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	key, ok = s.kept[from]
	return key, ok
}

// keep stores a key. It must have verified a signature: otherwise callers could fill the memory with
// keys for invented services. If there are too many keys, the stored ones are deleted first.
func (s *signingKeys) keep(from origin, key []byte) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.kept == nil || len(s.kept) >= mostSigningKeys {
		s.kept = make(map[origin][]byte)
	}
	s.kept[from] = key
}
