package socketio

import (
	"math/rand/v2"
	"testing"
)

// A crowd is a set: whatever the order of arrivals and departures, everybody in it is in the row once.
func TestCrowd(t *testing.T) {
	everybody := make([]*Socket, 3*crowded)
	for i := range everybody {
		everybody[i] = &Socket{}
	}
	for seed := range uint64(200) {
		random := rand.New(rand.NewPCG(seed, 0))
		var c crowd
		in := make(map[*Socket]bool)
		for range 100 {
			s := everybody[random.IntN(len(everybody))]
			if in[s] {
				delete(in, s)
				c.remove(s)
			} else {
				in[s] = true
				c.add(s)
			}
			c.remove(&Socket{}) // who is not there does not matter
			seen := make(map[*Socket]bool)
			for _, s := range c.row {
				if seen[s] || !in[s] {
					t.Fatalf("seed %d: somebody is there twice, or is not there", seed)
				}
				seen[s] = true
			}
			if len(seen) != len(in) {
				t.Fatalf("seed %d: %d of %d are there", seed, len(seen), len(in))
			}
		}
	}
}
