package sched

import (
	"fmt"
	"strconv"
	"strings"
	"testing"
	"time"
)

// scene reads a world from text. Instances are separated by semicolons. Each has an id, the letter of its
// zone, its free CPU units and MiB as CPU/MEMORY, and any of:
//
//	service:web=3     tasks of a group that run there
//	tcp:80 udp:53     a host port in use, by an unknown task
//	rack=r1           an attribute
//	gpu:2 eni:3       free devices and network interfaces (1 interface by default)
//	DRAINING          another status than ACTIVE
//	disconnected      its agent is not connected
//	version:1.70.0 since:2024-05-01 ec2:i-1
func scene(t *testing.T, text string) World {
	t.Helper()
	var w World
	for one := range strings.SplitSeq(text, ";") {
		words := strings.Fields(one)
		if len(words) == 0 {
			continue
		}
		cpu, memory, _ := strings.Cut(words[2], "/")
		i := inst(words[0], words[1], number(t, cpu), number(t, memory))
		for _, word := range words[3:] {
			special(t, i, word)
		}
		w.Instances = append(w.Instances, i)
	}
	return w
}

func special(t *testing.T, i *Instance, word string) {
	t.Helper()
	if name, value, ok := strings.Cut(word, "="); ok {
		if strings.Contains(name, ":") {
			runs(name, number(t, value))(i)
			return
		}
		i.Attributes[name] = value
		return
	}
	switch name, value, _ := strings.Cut(word, ":"); name {
	case "tcp":
		i.PortsTCP[uint16(number(t, value))] = ""
	case "udp":
		i.PortsUDP[uint16(number(t, value))] = ""
	case "gpu":
		i.Free.GPU = number(t, value)
	case "eni":
		i.Free.ENI = number(t, value)
	case "disconnected":
		i.AgentConnected = false
	case "version":
		i.AgentVersion = value
	case "ec2":
		i.EC2InstanceID = value
	case "since":
		at, err := time.Parse(time.DateOnly, value)
		if err != nil {
			t.Fatal(err)
		}
		i.RegisteredAt = at
	default:
		if word != strings.ToUpper(word) {
			t.Fatalf("unknown word %q", word)
		}
		i.Status = word
	}
}

func number(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	if err != nil {
		t.Fatal(err)
	}
	return n
}

// outcome returns a result as one line: the instances in the order of the placements, then "| 2
// REASON@instance" with the number of tasks that were not placed and the closest instance.
func outcome(out Result) string {
	var words []string
	for _, p := range out.Placements {
		words = append(words, shortID(p.InstanceARN))
	}
	for k := 0; k < len(out.Failures); {
		f, n := out.Failures[k], 0
		for k < len(out.Failures) && out.Failures[k] == f {
			k, n = k+1, n+1
		}
		words = append(words, fmt.Sprintf("| %d %s@%s", n, f.Reason, shortID(f.InstanceARN)))
	}
	return strings.Join(words, " ")
}

// The functions below change the request that web returns.

func needs(cpu, memory int) func(*Request) {
	return func(r *Request) { r.Needs.CPU, r.Needs.Memory = cpu, memory }
}

func gpus(n int) func(*Request)       { return func(r *Request) { r.Needs.GPU = n } }
func interfaces(n int) func(*Request) { return func(r *Request) { r.Needs.ENI = n } }
func udp(p ...uint16) func(*Request)  { return func(r *Request) { r.PortsUDP = p } }

// standalone makes the request one of RunTask, which has no default strategy.
func standalone(group string) func(*Request) {
	return func(r *Request) { r.Group, r.DefaultSpread = group, false }
}

func requires(name, value string) func(*Request) {
	return func(r *Request) { r.RequiredAttributes = append(r.RequiredAttributes, Attribute{name, value}) }
}

func within(zones ...string) func(*Request) { return func(r *Request) { r.Zones = zones } }

func member(expr string) func(*Request) {
	return func(r *Request) { r.Constraints = append(r.Constraints, memberOf(expr)) }
}

func distinct(r *Request) { r.Constraints = append(r.Constraints, Constraint{distinct: true}) }

// by reads strategies in the notation of the tests: "spread=host", "binpack=cpu", "random".
func by(texts ...string) func(*Request) {
	return func(r *Request) {
		for _, text := range texts {
			kind, field, _ := strings.Cut(text, "=")
			s, err := ParseStrategy(kind, field)
			if err != nil {
				panic(err)
			}
			r.Strategies = append(r.Strategies, s)
		}
	}
}
