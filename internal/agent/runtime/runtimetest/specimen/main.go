// Command specimen is the program in the containers that the tests of the runtime and of the agent run. It is
// built without cgo, and its image has no other program.
//
//	specimen serve [where]  answer HTTP on a port or address until SIGTERM: / says hello, /env the
//	                        environment, /fetch?url=U what U answers, /file?path=P a file
//	specimen exit N         end with exit code N
//	specimen print A B …    write A, B, … on lines of their own, then end
//	specimen long N         write a line of N characters of three bytes, twice, and one of N ASCII letters
//	specimen count N        write N numbered lines, one every 2 ms, then serve
//	specimen stubborn       ignore SIGTERM
//	specimen eat N          use N MiB of memory, then serve
//	specimen survive N      run "specimen eat N"; end with 0 if a signal has killed that, else with 1
//	specimen burn           use a processor until SIGTERM
//	specimen touch F        make the file F, then end
//	specimen has F          end with 0 if F exists, else 1
//	specimen sleep D        end after the duration D
//	specimen get U          end with 0 if the URL U answers 200, else 1
package main

import (
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"os/signal"
	"strconv"
	"strings"
	"syscall"
	"time"
)

func main() {
	args := append(os.Args[1:], "")
	switch args[0] {
	case "exit":
		code, _ := strconv.Atoi(args[1])
		os.Exit(code)
	case "print":
		for _, line := range args[1 : len(args)-1] {
			fmt.Println(line)
		}
	case "long":
		n, _ := strconv.Atoi(args[1])
		for _, character := range []string{"\u65e5", "\u65e5", "x"} {
			fmt.Println(strings.Repeat(character, n))
		}
	case "count":
		count(args[1])
	case "stubborn":
		signal.Ignore(syscall.SIGTERM)
		fmt.Println("ignoring SIGTERM")
		for {
			time.Sleep(time.Hour)
		}
	case "eat":
		eat(args[1])
	case "survive":
		survive(args[1])
	case "burn":
		go termination()()
		for n := 0; ; n++ { // uses all of a processor
		}
	case "touch":
		if err := os.WriteFile(args[1], nil, 0o644); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	case "has":
		if _, err := os.Stat(args[1]); err != nil {
			os.Exit(1)
		}
	case "get":
		if resp, err := http.Get(args[1]); err != nil || resp.StatusCode != http.StatusOK {
			os.Exit(1)
		}
	case "sleep":
		d, _ := time.ParseDuration(args[1])
		time.Sleep(d)
	default:
		serve(args[1])
	}
}

// termination starts to catch SIGTERM. It returns a function that waits for the signal and exits.
func termination() (untilTerm func()) {
	term := make(chan os.Signal, 1)
	signal.Notify(term, syscall.SIGTERM)
	return func() {
		<-term
		os.Exit(0)
	}
}

func count(n string) {
	untilTerm := termination()
	last, _ := strconv.Atoi(n)
	for i := range last {
		fmt.Println("line", i)
		time.Sleep(2 * time.Millisecond)
	}
	untilTerm()
}

// eaten keeps memory in use until the end.
var eaten [][]byte

func eat(mib string) {
	untilTerm := termination()
	n, _ := strconv.Atoi(mib)
	for range n {
		block := make([]byte, 1<<20)
		for i := 0; i < len(block); i += 512 {
			block[i] = 1
		}
		eaten = append(eaten, block)
	}
	untilTerm()
}

// survive exits with 0 when the kernel has killed a child that uses too much memory, and with 1 otherwise.
func survive(mib string) {
	var exit *exec.ExitError
	err := exec.Command(os.Args[0], "eat", mib).Run()
	if errors.As(err, &exit) && exit.Sys().(syscall.WaitStatus).Signaled() {
		os.Exit(0)
	}
	fmt.Fprintln(os.Stderr, "the child was not killed:", err)
	os.Exit(1)
}

func serve(port string) {
	go termination()()
	http.HandleFunc("/", func(w http.ResponseWriter, r *http.Request) { fmt.Fprintln(w, "hello") })
	http.HandleFunc("/env", func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprintln(w, strings.Join(os.Environ(), "\n"))
	})
	http.HandleFunc("/file", func(w http.ResponseWriter, r *http.Request) {
		data, err := os.ReadFile(r.FormValue("path"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusNotFound)
		}
		w.Write(data)
	})
	http.HandleFunc("/fetch", func(w http.ResponseWriter, r *http.Request) {
		resp, err := http.Get(r.FormValue("url"))
		if err != nil {
			http.Error(w, err.Error(), http.StatusBadGateway)
			return
		}
		defer resp.Body.Close()
		w.WriteHeader(resp.StatusCode)
		io.Copy(w, resp.Body)
	})
	if port == "" {
		port = "8080"
	}
	if !strings.Contains(port, ":") {
		port = ":" + port
	}
	fmt.Println("serving", port)
	fmt.Fprintln(os.Stderr, http.ListenAndServe(port, nil))
	os.Exit(1)
}
