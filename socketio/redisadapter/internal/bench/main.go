//go:build linux

// Command bench compares our server with Socket.IO on Node.js. The same client program loads both in turn. It prints
// what both need, and the ratios. The important number is the server's CPU time per operation, because rates depend on
// what else the machine does.
//
//	go run ./socketio/redisadapter/internal/bench [-short] [-rounds 11] [-only ack,echo]
//	go run ./socketio/redisadapter/internal/bench -storm 20000
//
// During a measurement, both servers run with all their clients, and the load changes from one to the other every
// second or more often, so that other work of the machine affects both alike. Such a stretch of load is a window. It
// ends when all operations have been answered, so that CPU time and operations belong together. The first round is for
// warming up and is not counted. In measurements that are called typed, our handlers decode their arguments, as those
// of applications usually do. In the others, our handlers pass the arguments on undecoded. Node.js always decodes
// them.
//
// It prints the median of all windows, and of the ratios of windows in the same round the median, the lowest and the
// highest.
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
	storm := flag.Int("storm", 0, "instead, end the server of that many clients and measure how they reconnect")
	clients := flag.Int("clients", 0, "run that many clients of -addr (used by -storm itself)")
	from := flag.Int("from", 0, "for -clients, connect from addresses in 127.0.(from+1).0/24")
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

// choose returns the measurements whose names are in only, which is separated by commas. If only is empty, it returns
// all.
func choose(only string, unpinned bool) []measurement {
	names := strings.Split(only, ",")
	chosen := slices.DeleteFunc(slices.Clone(measurements),
		func(m measurement) bool { return only != "" && !slices.Contains(names, m.name) })
	for i := range chosen {
		chosen[i].pinned = chosen[i].pinned && !unpinned
	}
	return chosen
}
