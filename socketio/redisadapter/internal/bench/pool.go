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

// poolState is what a process of clients tells when it is asked.
type poolState struct {
	In, Joins, Failures int64
	// Once and More count the clients that got the last broadcast once and more than once.
	Once, More int
}

// runPool keeps clients on a server and answers each line of the standard input with its state. "roll"
// forgets what was received.
func runPool(addr string, n, from int) error {
	rolls := make([]atomic.Int32, n)
	c := &lean.Pool{Addr: addr, On: func(i int, text []byte) {
		if string(text) == `42["roll"]` {
			rolls[i].Add(1)
		}
	}}
	for i := range 4 { // 127.0.from.1 to 4: a single address has not ports enough
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
