// Command bench compares our server with Socket.IO on Node.js: the same lean client loads both in
// turn, and ratios are printed. What counts is the CPU time of the server per operation, from /proc;
// rates depend on what else the machine does.
//
//	go run ./socketio/bench [-short] [-only ack,echo]
//	go run ./socketio/bench -storm 20000
//
// It needs Linux, taskset, Node.js with socketio/testenv/node installed, and redis-server for the
// cross-server part. The server is pinned to one processor and the load to another.
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
	load := flag.String("load", "", "run this measurement against -addr (used by the benchmark itself)")
	addr := flag.String("addr", "", "address for -load; two with a comma for cross")
	pid := flag.Int("pid", 0, "process of the server, for -load")
	short := flag.Bool("short", false, "smaller counts and shorter times")
	only := flag.String("only", "", "measurements to make, with commas; default all")
	storm := flag.Int("storm", 0, "instead, have that many clients lose their server and come back")
	crowd := flag.Int("crowd", 0, "run that many clients of -addr (used by the storm itself)")
	from := flag.Int("from", 0, "which addresses the clients of -crowd come from")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	var err error
	switch {
	case *serve != "":
		err = runServer(ctx, *serve, *redisURL)
	case *crowd > 0:
		err = runCrowd(*addr, *crowd, *from)
	case *storm > 0:
		err = runStorm(ctx, *storm)
	case *load != "":
		err = runLoad(*load, strings.Split(*addr, ","), *pid, *short)
	default:
		err = compare(ctx, *short, choose(*only))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

func choose(only string) []measurement {
	if only == "" {
		return measurements
	}
	names := strings.Split(only, ",")
	return slices.DeleteFunc(slices.Clone(measurements), func(m measurement) bool { return !slices.Contains(names, m.name) })
}
