package socketio

import (
	"testing"

	"pgregory.net/rapid"
)

// A crowd is a set: whatever the order of arrivals and departures, everybody in it is in the row once.
func TestCrowd(t *testing.T) {
	everybody := make([]*Socket, 3*crowded)
	for i := range everybody {
		everybody[i] = &Socket{}
	}
	rapid.Check(t, func(t *rapid.T) {
		var c crowd
		in := make(map[*Socket]bool)
		for _, i := range rapid.SliceOf(rapid.IntRange(0, len(everybody)-1)).Draw(t, "steps") {
			s := everybody[i]
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
					t.Fatal("somebody is there twice, or is not there")
				}
				seen[s] = true
			}
			if len(seen) != len(in) {
				t.Fatalf("%d of %d are there", len(seen), len(in))
			}
		}
	})
}
