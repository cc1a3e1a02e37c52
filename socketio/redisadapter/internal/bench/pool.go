//go:build linux

package main

import (
	"bufio"
	"encoding/json"
	"net/netip"
	"os"
	"sync/atomic"

	"github.com/berthhq/berth/socketio/internal/lean"
)

// poolState is what a process of clients reports.
type poolState struct {
	// In, Joins and Failures are those of lean.Pool.
	In, Joins, Failures int64
	// Once and More count the clients that got the last broadcast once and more than once.
	Once, More int
}

// runPool keeps n clients connected to a server. It answers each line of the standard input with its state. The line
// "roll" resets the counts of broadcasts before.
func runPool(addr string, n, from int) error {
	rolls := make([]atomic.Int32, n) // how many broadcasts each client got
	c := &lean.Pool{Addr: addr, On: func(i int, text []byte) {
		if string(text) == `42["roll"]` {
			rolls[i].Add(1)
		}
	}}
	for i := range 4 { // four addresses, because a single one does not have enough ports
		c.From = append(c.From, netip.AddrFrom4([4]byte{127, 0, byte(from + 1), byte(i + 1)}))
	}
	c.Start(n)
	out := json.NewEncoder(os.Stdout)
	for in := bufio.NewScanner(os.Stdin); in.Scan(); {
		if in.Text() == "roll" {
			for i := range rolls {
				rolls[i].Store(0)
			}
		}
		s := poolState{In: c.In.Load(), Joins: c.Joins.Load(), Failures: c.Failures.Load()}
		for i := range rolls {
			switch rolls[i].Load() {
			case 0:
			case 1:
				s.Once++
			default:
				s.More++
			}
		}
		if err := out.Encode(s); err != nil {
			return err
		}
	}
	return nil
}
