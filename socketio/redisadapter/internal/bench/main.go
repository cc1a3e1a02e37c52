//go:build linux

// Command bench compares our server with Socket.IO on Node.js: the same lean client loads both in
// turn, and ratios are printed. What counts is the CPU time of the server per operation; rates depend
// on what else the machine does.
//
//	go run ./socketio/redisadapter/internal/bench [-short] [-rounds 11] [-only ack,echo]
//	go run ./socketio/redisadapter/internal/bench -storm 20000
//
// Both servers are up with all their clients during a row, and the load changes from one to the other every
// second or less, so that what else the machine does meets both alike. A window ends when everything that was
// asked for has come back: CPU time and operations belong together. The first round warms up and is not counted.
// Rows that are called typed have handlers of ours as people write them, which decode their arguments; the others
// hand the arguments on as they came. Node.js always decodes them.
//
// Printed are the median of the windows and of the ratios between neighbouring windows, with the lowest and the
// highest of the latter.
//
// It needs Linux, taskset, Node.js with socketio/internal/testenv/node installed, and redis-server for the
// cross-server part. The servers are pinned to one processor and the load to another.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"strings"
)

func main() {
	serve := flag.String("serve", "", "run our server on this address (used by the benchmark itself)")
	redisURL := flag.String("redis", "", "Redis for -serve")
	typed := flag.Bool("typed", false, "for -serve, handlers that decode their arguments")
	profile := flag.String("profile", "", "write a CPU profile of our server to this file")
	load := flag.String("load", "", "run this measurement (used by the benchmark itself)")
	targets := flag.String("targets", "",
		"for -load, the servers of Node.js and ours: addr/pid[,addr/pid];addr/pid[,addr/pid]")
	short := flag.Bool("short", false, "fewer clients and shorter windows")
	rounds := flag.Int("rounds", 11, "windows of each server that count")
	unpinned := flag.Bool("unpinned", false, "let servers and load use all processors")
	only := flag.String("only", "", "measurements to make, with commas; default all")
	addr := flag.String("addr", "", "address for -clients")
	storm := flag.Int("storm", 0, "instead, have that many clients lose their server and come back")
	clients := flag.Int("clients", 0, "run that many clients of -addr (used by the storm itself)")
	from := flag.Int("from", 0, "which addresses the clients of -clients come from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *serve != "":
		err = runServer(ctx, *serve, *redisURL, *typed, *profile)
	case *clients > 0:
		err = runPool(*addr, *clients, *from)
	case *storm > 0:
		err = runStorm(ctx, *storm)
	case *load != "":
		err = runLoad(*load, *targets, *rounds, *short)
	default:
		err = compare(ctx, *short, *rounds, *profile, choose(*only, *unpinned))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// choose returns the measurements of these names, separated by commas; all of them if only is empty.
func choose(only string, unpinned bool) []measurement {
	names := strings.Split(only, ",")
	chosen := slices.DeleteFunc(slices.Clone(measurements),
		func(m measurement) bool { return only != "" && !slices.Contains(names, m.name) })
	for i := range chosen {
		chosen[i].pinned = chosen[i].pinned && !unpinned
	}
	return chosen
}
