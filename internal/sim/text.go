package sim

import (
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/quote"
)

// Limits of the output for terminals.
const (
	shownDecisions = 60
	sparkWidth     = 48
)

// Text writes a report for a terminal, in lines of at most width columns.
func Text(w io.Writer, r *Report, width int) {
	end := r.Start.Add(time.Duration(r.Minutes) * time.Minute)
	fmt.Fprintf(w, "%s to %s, seed %d\n", r.Start.Format(stamp), end.Format(stamp), r.Seed)
	for i := range r.Services {
		textService(w, &r.Services[i], width)
	}
	for i := range r.Groups {
		textGroup(w, &r.Groups[i], width)
	}
	for _, c := range r.Clusters {
		line(w, width, 0, "\nCluster "+c.Cluster)
		spark(w, "CPU used", "%", column(c.Points, func(p ClusterPoint) float64 { return p.CPU }))
		spark(w, "CPU reserved", "%", column(c.Points, func(p ClusterPoint) float64 { return p.CPUReserved }))
		spark(w, "mem. reserved", "%", column(c.Points, func(p ClusterPoint) float64 { return p.MemoryReserved }))
	}
	for i, what := range r.Unmeasured {
		if i == 0 {
			fmt.Fprintln(w, "\nNot simulated")
		}
		line(w, width, 2, what)
	}
	textDecisions(w, r, width)
}

const stamp = "2006-01-02 15:04"

// column returns one number of each point.
func column[P any](points []P, of func(P) float64) []float64 {
	out := make([]float64, len(points))
	for i, p := range points {
		out[i] = of(p)
	}
	return out
}

func textService(w io.Writer, s *ServiceReport, width int) {
	line(w, width, 0, "\nService "+s.Cluster+"/"+s.Service)
	if s.Unit != "" {
		spark(w, "load", s.Unit, column(s.Points, func(p ServicePoint) float64 { return p.Load }))
	}
	spark(w, "desired", "tasks", column(s.Points, func(p ServicePoint) float64 { return float64(p.Desired) }))
	spark(w, "running", "tasks", column(s.Points, func(p ServicePoint) float64 { return float64(p.Running) }))
	spark(w, "CPU", "%", column(s.Points, func(p ServicePoint) float64 { return p.CPU }))
	spark(w, "memory", "%", column(s.Points, func(p ServicePoint) float64 { return p.Memory }))
	line(w, width, 2, s.summary())
}

// summary describes in a sentence how the service handled the load.
func (s *ServiceReport) summary() string {
	text := fmt.Sprintf("%s task-hours", number(s.TaskHours))
	if s.MinTasks == s.MaxTasks {
		text += fmt.Sprintf("; always %d tasks", s.MinTasks)
	} else {
		text += fmt.Sprintf("; %d to %d tasks, %s on average", s.MinTasks, s.MaxTasks, number(s.MeanTasks))
	}
	if s.Unit != "" {
		text += fmt.Sprintf("; %s requests, %s late, %s refused", number(s.Requests), number(s.Late), number(s.Refused))
	}
	if s.Moved > 0 {
		text += fmt.Sprintf("; %s clients had to connect again", number(s.Moved))
	}
	if s.OutOfMemory > 0 {
		text += fmt.Sprintf("; %d tasks ran out of memory", s.OutOfMemory)
	}
	return text
}

func textGroup(w io.Writer, g *GroupReport, width int) {
	line(w, width, 0, "\nGroup "+g.Group+" of "+g.Type)
	spark(w, "desired", "instances", column(g.Points, func(p GroupPoint) float64 { return float64(p.Desired) }))
	spark(w, "running", "instances", column(g.Points, func(p GroupPoint) float64 { return float64(p.Instances) }))
	line(w, width, 2, fmt.Sprintf("%s instance-hours if all are on demand", number(g.InstanceHours)))
	for _, r := range g.Reserved {
		line(w, width, 2, r.String())
	}
}

// String says how much the reserved instances are used.
func (r Reservation) String() string {
	return fmt.Sprintf("with %d reserved: %s hours reserved, of which %s %% are used, and %s on demand", r.Instances,
		number(r.Hours), number(r.Used), number(r.OnDemandHours))
}

// textDecisions writes the important decisions. All others are in the JSON and on the page.
func textDecisions(w io.Writer, r *Report, width int) {
	shown, more := 0, 0
	for _, d := range r.Decisions {
		if !d.important() {
			continue
		}
		if shown == shownDecisions {
			more++
			continue
		}
		if shown++; shown == 1 {
			fmt.Fprintln(w, "\nDecisions")
		}
		line(w, width, 2, d.At.Format("02 15:04:05")+" "+d.String())
	}
	if more > 0 || r.Omitted > 0 {
		line(w, width, 2, fmt.Sprintf("and %d more; --json and --out have all", more+r.Omitted))
	}
}

// important reports whether a decision is one of a policy or group, a fault, or one that could not be carried out.
func (d *Decision) important() bool { return d.Refused || d.Kind != "service" && d.Kind != "alarm" }

// String returns the decision without its time.
func (d Decision) String() string {
	text := d.Kind + " " + d.Subject + ": " + d.Text
	if d.Reason != "" {
		text += " (" + d.Reason + ")"
	}
	if d.Refused {
		text = "NOT DONE " + text
	}
	return text
}

// spark writes a curve in one line, with its lowest and highest value.
func spark(w io.Writer, name, unit string, values []float64) {
	if len(values) == 0 {
		return
	}
	low, high := math.Inf(1), math.Inf(-1)
	for _, v := range values {
		low, high = min(low, v), max(high, v)
	}
	var b strings.Builder
	n := min(sparkWidth, len(values))
	for i := range n {
		part := values[i*len(values)/n : max((i+1)*len(values)/n, i*len(values)/n+1)]
		top := part[0]
		for _, v := range part {
			top = max(top, v)
		}
		level := 0
		if high > 0 {
			level = int(math.Round(top / high * 7))
		}
		b.WriteRune([]rune("▁▂▃▄▅▆▇█")[level])
	}
	quote.Fprintf(w, "  %-13s %s %s\n", name, b.String(), span(low, high, unit))
}

func span(low, high float64, unit string) string {
	if low == high {
		return number(low) + " " + unit
	}
	return number(low) + "–" + number(high) + " " + unit
}

// number formats a number for people: 1,234 or 12.5.
func number(v float64) string {
	if v >= 1000 {
		v = math.Round(v)
	} else if v >= 100 {
		v = math.Round(v*10) / 10
	}
	text := strconv.FormatFloat(v, 'f', -1, 64)
	whole, rest, _ := strings.Cut(text, ".")
	for i := len(whole) - 3; i > 0; i -= 3 {
		whole = whole[:i] + "," + whole[i:]
	}
	if rest != "" {
		whole += "." + rest
	}
	return whole
}

// line writes text from outside in lines of at most width columns. A newline at its start is kept.
func line(w io.Writer, width, indent int, text string) {
	if rest, ok := strings.CutPrefix(text, "\n"); ok {
		fmt.Fprintln(w)
		text = rest
	}
	gap := strings.Repeat(" ", indent)
	used := 0
	for i, word := range strings.Fields(quote.Text(text)) {
		n := len([]rune(word))
		switch {
		case i == 0:
			fmt.Fprint(w, gap, word)
			used = indent + n
		case used+1+n > width:
			fmt.Fprint(w, "\n", gap, "    ", word)
			used = indent + 4 + n
		default:
			fmt.Fprint(w, " ", word)
			used += 1 + n
		}
	}
	fmt.Fprintln(w)
}

// Differences writes the figures that differ between reports on the same load. names has the name of each report.
func Differences(w io.Writer, names []string, all []*Report) {
	fmt.Fprintln(w, "\nDifferences")
	for _, row := range compare(all) {
		if row.values[0] == row.values[len(row.values)-1] {
			continue
		}
		texts := make([]string, len(all))
		for i, v := range row.values {
			texts[i] = number(v) + " in " + names[i]
		}
		line(w, 80, 2, row.name+": "+strings.Join(texts, ", "))
	}
}

// figure is a number of several reports.
type figure struct {
	name   string
	values []float64
}

// compare returns the figures of reports. A figure that a report does not have is 0 for it.
func compare(all []*Report) (rows []figure) {
	index := map[string]int{}
	add := func(of int, name string, v float64) {
		i, ok := index[name]
		if !ok {
			i = len(rows)
			index[name] = i
			rows = append(rows, figure{name, make([]float64, len(all))})
		}
		rows[i].values[of] += v
	}
	for i, r := range all {
		for _, s := range r.Services {
			add(i, "requests that were late", s.Late)
			add(i, "requests that were refused", s.Refused)
			add(i, "clients that had to connect again", s.Moved)
			add(i, "task-hours", s.TaskHours)
		}
		for _, g := range r.Groups {
			add(i, "instance-hours", g.InstanceHours)
		}
		for _, s := range r.Services {
			name := s.Cluster + "/" + s.Service
			add(i, name+": task-hours", s.TaskHours)
			add(i, name+": late", s.Late)
			add(i, name+": refused", s.Refused)
		}
		for _, g := range r.Groups {
			add(i, "group "+g.Group+": instance-hours", g.InstanceHours)
		}
	}
	return rows
}
