package socketio

import (
	"math/rand/v2"
	"testing"
)

// In whatever order sockets are added and removed, each socket of the set is in its list once.
func TestSocketSet(t *testing.T) {
	sockets := make([]*Socket, 3*smallSet)
	for i := range sockets {
		sockets[i] = &Socket{}
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var c socketSet
		in := make(map[*Socket]bool)
		for range 100 {
			s := sockets[random.IntN(len(sockets))]
			if in[s] {
				delete(in, s)
				c.remove(s)
			} else {
				in[s] = true
				c.add(s)
			}
			c.remove(&Socket{}) // removing a socket that is not in the set does nothing
			seen := make(map[*Socket]bool)
			for _, s := range c.list {
				if seen[s] || !in[s] {
					t.Fatalf("seed %d: a socket is there twice, or is not there", seed)
				}
				seen[s] = true
			}
			if len(seen) != len(in) {
				t.Fatalf("seed %d: %d of %d are there", seed, len(seen), len(in))
			}
		}
	}
}
