package sim

import (
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"maps"
	"math"
	"slices"
	"strconv"
	"strings"
	"time"
)

// spec is a list of settings, name=value,name=value.
type spec struct {
	values map[string]string
	asked  map[string]bool
	err    error // the first one
}

func parseSpec(text string) *spec {
	s := &spec{values: map[string]string{}, asked: map[string]bool{}}
	for part := range strings.SplitSeq(text, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(part), "=")
		_, twice := s.values[name]
		switch {
		case part == "":
		case !ok:
			s.fail("%q is not a setting; it must be NAME=VALUE", part)
		case twice:
			s.fail("%s is given twice", name)
		default:
			s.values[name] = value
		}
	}
	return s
}

func (s *spec) fail(format string, args ...any) {
	if s.err == nil {
		s.err = fmt.Errorf(format, args...)
	}
}

func (s *spec) get(name string) (string, bool) {
	s.asked[name] = true
	v, ok := s.values[name]
	return v, ok
}

// number reads a number that is not negative. If the setting is missing, it does not change into.
func (s *spec) number(name string, into *float64) {
	if text, ok := s.get(name); ok {
		v, err := strconv.ParseFloat(text, 64)
		if err != nil || !(v >= 0 && v <= maxLoad) {
			s.fail("%s is %q; it must be a number from 0 to %g", name, text, maxLoad)
			return
		}
		*into = v
	}
}

func (s *spec) need(name string, into *float64) {
	if _, ok := s.get(name); !ok {
		s.fail("%s is missing", name)
	}
	s.number(name, into)
}

func (s *spec) duration(name string, into *time.Duration) {
	if text, ok := s.get(name); ok {
		v, err := time.ParseDuration(text)
		if err != nil || v < 0 || v > MaxSpan {
			s.fail("%s is %q; it must be a time such as 90s, 10m or 8h30m", name, text)
			return
		}
		*into = v
	}
}

// end returns the first error. A setting that was not read is an error too.
func (s *spec) end() error {
	for _, name := range slices.Sorted(maps.Keys(s.values)) {
		if !s.asked[name] {
			s.fail("there is no setting %q here; there are %s", name,
				strings.Join(slices.Sorted(maps.Keys(s.asked)), ", "))
		}
	}
	return s.err
}

func (s *spec) cost(c *Cost) {
	s.duration("cpu", &c.CPU)
	s.number("memory", &c.Memory)
	s.number("cores", &c.Cores)
	s.number("idle-cpu", &c.IdleCPU)
	s.number("idle-memory", &c.IdleMemory)
}

// ParseCost parses the cost of a request, such as cpu=8ms,memory=0.1,cores=1. Settings that are missing have the values
// of usual.
func ParseCost(text string, usual Cost) (Cost, error) {
	s := parseSpec(text)
	s.cost(&usual)
	return usual, s.end()
}

// Shapes are the names of the shapes of ParseLoad.
const Shapes = "flat, wave, step, spike"

// ParseLoad parses the load of a service: SERVICE=SHAPE,NAME=VALUE,… such as chat=wave,low=20,high=400,peak=14h.
func ParseLoad(text string, cost Cost) (Load, error) {
	name, rest, ok := strings.Cut(text, "=")
	shape, settings, _ := strings.Cut(rest, ",")
	if !ok || name == "" {
		return Load{}, fmt.Errorf("%q is not a load; it must be SERVICE=SHAPE,NAME=VALUE,… or a CSV file", text)
	}
	s := parseSpec(settings)
	l := Load{Service: name, Cost: cost}
	switch shape {
	case "flat":
		var level float64
		s.need("level", &level)
		l.Curve = Flat(level)
	case "wave":
		w := Wave{Period: 24 * time.Hour, Peak: 12 * time.Hour}
		s.need("low", &w.Low)
		s.need("high", &w.High)
		s.duration("period", &w.Period)
		s.duration("peak", &w.Peak)
		if w.Period < time.Minute {
			s.fail("the period of a wave must be at least a minute")
		}
		l.Curve = w
	case "step", "spike":
		r := Ramp{Begin: time.Hour}
		s.need("from", &r.From)
		s.need("to", &r.To)
		s.duration("at", &r.Begin)
		s.duration("rise", &r.Rise)
		if shape == "spike" {
			r.Duration = 10 * time.Minute
			s.duration("for", &r.Duration)
			r.Duration = max(r.Duration, time.Second)
		}
		l.Curve = r
	default:
		return l, fmt.Errorf("the load of %q: there is no shape %q; there are %s", name, shape, Shapes)
	}
	l.common(s)
	if err := s.end(); err != nil {
		return l, fmt.Errorf("the load of %q: %w", name, err)
	}
	return l, nil
}

// common reads the settings that every load has.
func (l *Load) common(s *spec) {
	s.number("clients", &l.Clients)
	s.number("noise", &l.Noise)
	s.cost(&l.Cost)
}

// RecordedLoad returns the load of a service with a recorded curve. settings are NAME=VALUE,… as for ParseLoad.
func RecordedLoad(service string, r Recorded, settings string, cost Cost) (Load, error) {
	l, s := Load{Service: service, Curve: r, Cost: cost}, parseSpec(settings)
	l.common(s)
	if err := s.end(); err != nil {
		return l, fmt.Errorf("the load of %q: %w", service, err)
	}
	return l, nil
}

// Limits of CSV files.
const (
	MaxCSVBytes = 32 << 20
	maxLines    = 200_000
	maxColumns  = 500
)

// ReadCSV reads loads from a CSV file. The first line has the names of the columns: time, and for each load the name of
// its service. A column SERVICE:RATE has numbers of connected clients, each of which makes RATE requests per second.
// Times are durations from the start (90s, 1h30m, or seconds), or have the form of RFC 3339. They must ascend. Errors
// have the line.
func ReadCSV(r io.Reader, cost Cost) ([]Load, error) {
	limited := &io.LimitedReader{R: r, N: MaxCSVBytes + 1}
	c := csv.NewReader(limited)
	c.ReuseRecord, c.TrimLeadingSpace, c.Comment = true, true, '#'
	head, err := c.Read()
	if err != nil {
		return nil, fmt.Errorf("the first line must have the names of the columns, such as time,chat: %w", err)
	}
	loads, err := columns(head, cost)
	if err != nil {
		return nil, fmt.Errorf("line 1: %w", err)
	}
	curves, began := make([]Recorded, len(loads)), ""
	for {
		record, err := c.Read()
		if errors.Is(err, io.EOF) {
			break
		}
		line, _ := c.FieldPos(0)
		switch {
		case limited.N == 0:
			return nil, fmt.Errorf("the file has more than %d MiB", MaxCSVBytes>>20)
		case err != nil:
			return nil, err // it has the line
		case len(curves[0].Times) == maxLines:
			return nil, fmt.Errorf("line %d: a load has at most %d lines", line, maxLines)
		}
		if began == "" {
			began = strings.Clone(record[0])
		}
		if err := addLine(curves, record, began); err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
	}
	for i := range loads {
		if len(curves[i].Times) == 0 {
			return nil, errors.New("the file has no line after the names of the columns")
		}
		loads[i].Curve = curves[i]
	}
	return loads, nil
}

func columns(head []string, cost Cost) (loads []Load, err error) {
	if head[0] != "time" || len(head) < 2 || len(head) > maxColumns {
		return nil, fmt.Errorf("the columns are time and 1 to %d services, such as time,chat", maxColumns-1)
	}
	for _, name := range head[1:] {
		l := Load{Cost: cost}
		service, clients, sticky := strings.Cut(strings.Clone(name), ":")
		if l.Service = service; service == "" {
			return nil, errors.New("a column has no name; it must be the name of a service")
		}
		if sticky {
			l.Clients, err = strconv.ParseFloat(clients, 64)
			if err != nil || !(l.Clients > 0 && l.Clients <= maxRate) {
				return nil, fmt.Errorf("%q: after the colon there must be the requests per second that a client makes",
					name)
			}
		}
		loads = append(loads, l)
	}
	return loads, nil
}

func addLine(curves []Recorded, record []string, began string) error {
	at, err := timeSince(record[0], began)
	if err != nil {
		return err
	}
	for i, text := range record[1:] {
		v, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
		if err != nil || !(v >= 0 && v <= maxLoad) || math.IsInf(v, 0) {
			return fmt.Errorf("column %d is %q; a load must be a number from 0 to %g", i+2, text, maxLoad)
		}
		c := &curves[i]
		if n := len(c.Times); n > 0 && at <= c.Times[n-1] {
			return fmt.Errorf("the time %q is not later than that of the line before", record[0])
		}
		c.Times, c.Values = append(c.Times, at), append(c.Values, v)
	}
	return nil
}

// timeSince returns a time of a file as a duration since the start. An absolute time counts from the first one in the
// file.
func timeSince(text, began string) (time.Duration, error) {
	if seconds, err := strconv.ParseFloat(text, 64); err == nil {
		return within(time.Duration(seconds*float64(time.Second)), text)
	}
	if d, err := time.ParseDuration(text); err == nil {
		return within(d, text)
	}
	at, err := time.Parse(time.RFC3339, text)
	first, errFirst := time.Parse(time.RFC3339, began)
	if err != nil || errFirst != nil {
		return 0, fmt.Errorf("%q is not a time; it must be a duration from the start such as 1h30m, a number of "+
			"seconds, or a time such as 2026-11-29T08:00:00Z in every line", text)
	}
	return within(at.Sub(first), text)
}

func within(d time.Duration, text string) (time.Duration, error) {
	if d < 0 || d > MaxSpan {
		return 0, fmt.Errorf("the time %q is not within %d days of the start", text, int(MaxSpan.Hours()/24))
	}
	return d, nil
}

// Length returns how long the longest recorded load lasts, or 0 if none is recorded.
func Length(loads []Load) (longest time.Duration) {
	for _, l := range loads {
		if r, ok := l.Curve.(Recorded); ok && len(r.Times) > 0 {
			longest = max(longest, r.Times[len(r.Times)-1])
		}
	}
	return longest
}

// ParseFault parses KIND@TIME, such as agent-dies@2h.
func ParseFault(text string) (Fault, error) {
	kind, at, ok := strings.Cut(text, "@")
	d, err := time.ParseDuration(at)
	if !ok || err != nil {
		return Fault{}, fmt.Errorf("%q is not a fault; it must be KIND@TIME, such as %s@2h", text, AgentDies)
	}
	return Fault{FaultKind(kind), d}, nil
}
