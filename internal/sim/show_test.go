package sim

import (
	"encoding/xml"
	"errors"
	"io"
	"math"
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"pgregory.net/rapid"
)

// hostile is text that must not do anything in a terminal or a browser.
const hostile = "<script>alert(1)</script>&\"' \x1b[31m ]]>"

func hostileReport() *Report {
	r := &Report{Start: made, Minutes: 120, Seed: 7, Omitted: 3}
	r.Services = []ServiceReport{{Cluster: hostile, Service: hostile, Unit: "requests/s", MaxTasks: 3, Refused: 4,
		Points: []ServicePoint{{Minute: 60, Load: 5, Desired: 3, Running: 1, CPU: 20, Refused: 4},
			{Minute: 120, Load: 9}}}}
	r.Groups = []GroupReport{{Group: hostile, Type: hostile, InstanceHours: 3,
		Points: []GroupPoint{{60, 2, 1, 1}, {120, 2, 2, 2}}, Reserved: []Reservation{{2, 4, 75, 0}}}}
	r.Clusters = []ClusterReport{{Cluster: hostile, Points: []ClusterPoint{{60, 1, 2, 3, 4}, {120, 1, 2, 3, 4}}}}
	r.Decisions = []Decision{{At: made, Kind: "group", Subject: hostile, Text: hostile, Reason: hostile, Refused: true},
		{At: made, Kind: "service", Subject: hostile, Text: hostile}}
	r.Unmeasured = []string{hostile}
	return r
}

// Text of others does nothing in a terminal, a picture or a page, and the picture is XML.
func TestTextOfOthersIsQuoted(t *testing.T) {
	for what, show := range map[string]func(io.Writer) error{
		"text": func(w io.Writer) error { Text(w, hostileReport(), 80); return nil },
		"differences": func(w io.Writer) error {
			other := hostileReport()
			other.Services[0].Refused = 9
			Differences(w, []string{hostile, "b"}, []*Report{hostileReport(), other})
			return nil
		},
		"svg":  func(w io.Writer) error { return SVG(w, []string{hostile}, []*Report{hostileReport()}) },
		"html": func(w io.Writer) error { return HTML(w, []string{hostile}, []*Report{hostileReport()}) },
		"compared": func(w io.Writer) error {
			return HTML(w, []string{hostile, "b"}, []*Report{hostileReport(), hostileReport()})
		},
	} {
		var b strings.Builder
		if err := show(&b); err != nil {
			t.Fatal(err)
		}
		text := b.String()
		if strings.Contains(text, "\x1b") || what[0] != 't' && what[0] != 'd' && strings.Contains(text, "<script") {
			t.Errorf("%s:\n%s", what, text)
		}
		if what == "text" {
			for l := range strings.Lines(text) {
				if utf8.RuneCountInString(strings.TrimSuffix(l, "\n")) > 80 {
					t.Errorf("a line is too long: %q", l)
				}
			}
		}
		if what != "svg" {
			continue
		}
		for d := xml.NewDecoder(strings.NewReader(text)); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
		}
	}
}

// Pages have all that an issue asks for: both colour schemes, every decision with its reason, what was refused, and
// the hours; two reports stand in the same charts under their names.
func TestPage(t *testing.T) {
	a := simulate(t, sample(2, 2), day(2, 0.1), func(o *Options) {
		o.Span, o.Faults, o.Reserved = 3*time.Hour, []Fault{{AgentDies, time.Hour}}, []int{1}
	})
	b := simulate(t, sample(2, 4), day(2, 0.1), func(o *Options) { o.Span = 3 * time.Hour })
	var page, both, picture strings.Builder
	if err := errors.Join(HTML(&page, []string{"a"}, []*Report{a}), HTML(&both, []string{"a.json", "b.json"},
		[]*Report{a, b}), SVG(&picture, []string{"a"}, []*Report{a})); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"prefers-color-scheme:dark", "load, requests/s", "Service prod/web00", "agent-dies",
		"was taken out of service in response to", "instance-hours", "hours on demand", "Cluster prod", "desired"} {
		if !strings.Contains(page.String(), want) {
			t.Errorf("the page has no %q", want)
		}
	}
	for _, want := range []string{"running, a.json", "running, b.json", "Decisions, b.json"} {
		if !strings.Contains(both.String(), want) {
			t.Errorf("the page of two has no %q", want)
		}
	}
	if strings.Contains(page.String(), "http://") || strings.Contains(page.String(), "src=") {
		t.Error("the page needs something else")
	}
	if !strings.Contains(picture.String(), "prefers-color-scheme:dark") {
		t.Error("the picture is for one scheme only")
	}
	var text strings.Builder
	Differences(&text, []string{"a", "b"}, []*Report{a, b})
	if !strings.Contains(text.String(), "instance-hours: 6 in a, 12 in b") {
		t.Error(text.String())
	}
}

// An axis includes all values, begins at 0 and has two to six labels.
func TestScale(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		high, whole := rapid.Float64Range(0, 1e9).Draw(t, "high"), rapid.Bool().Draw(t, "whole")
		if whole {
			high = math.Ceil(high)
		}
		top, step := axis(high, whole)
		if top < high*(1-1e-6) || step <= 0 || top/step > 5.001 || whole && (step < 1 || step != math.Round(step)) ||
			high > 1 && top > 3*high {
			t.Fatalf("%v: up to %v by %v", high, top, step)
		}
	})
	for v, want := range map[float64]string{0: "0", 12.5: "12.5", 999.96: "1,000", 123.45: "123.5", 1234.5: "1,235",
		1234567: "1,234,567"} {
		if got := number(v); got != want {
			t.Errorf("%v is %q, want %q", v, got, want)
		}
	}
}
