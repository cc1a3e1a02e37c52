package sim

import (
	"bytes"
	"fmt"
	"html"
	"math"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/quote"
)

// Sizes of a chart, in pixels.
const (
	chartWidth = 960
	plotLeft   = 64
	plotRight  = 944
	plotHeight = 110
	plotTop    = 34 // for title and legend
	plotBottom = 34 // for the times, and a gap
	chartTall  = plotTop + plotHeight + plotBottom
)

// curve is a line of a chart. Its CSS class determines its colour.
type curve struct {
	name, class string
	steps       bool // a number that stays until the next point
	minutes     []int
	values      []float64
}

// chart draws curves that have the same unit, over the time of a report.
type chart struct {
	title, unit string
	curves      []curve
	whole       bool // the values are whole numbers
}

// esc escapes text from outside for SVG and HTML.
func esc(s string) string { return html.EscapeString(quote.Text(s)) }

// draw writes the chart as elements of SVG whose upper left corner is at y.
func (c *chart) draw(b *bytes.Buffer, r *Report, y int) {
	high := 0.0
	for _, l := range c.curves {
		for _, v := range l.values {
			high = max(high, v)
		}
	}
	top, step := axis(high, c.whole)
	base := y + plotTop + plotHeight
	at := func(v float64) float64 { return float64(base) - v/top*plotHeight }
	fmt.Fprintf(b, `<text class="t" x="%d" y="%d">%s</text>`+"\n", plotLeft, y+14, esc(c.title))
	c.legend(b, y+14)
	for i := 0; float64(i)*step <= top*1.0001; i++ {
		v := float64(i) * step
		label := number(round(v))
		if i > 0 && float64(i+1)*step > top*1.0001 && c.unit == "%" {
			label += " %"
		}
		fmt.Fprintf(b, `<line class="g" x1="%d" x2="%d" y1="%.1f" y2="%.1f"/>`, plotLeft, plotRight, at(v), at(v))
		fmt.Fprintf(b, `<text class="a" x="%d" y="%.1f" text-anchor="end">%s</text>`+"\n", plotLeft-8, at(v)+4, label)
	}
	timeAxis(b, r, y+plotTop, base)
	for _, l := range c.curves {
		fmt.Fprintf(b, `<path class="%s" d="%s"/>`+"\n", l.class, l.path(r, at))
	}
}

// legend names the curves at the right of the title.
func (c *chart) legend(b *bytes.Buffer, y int) {
	if len(c.curves) < 2 {
		return // the title names it
	}
	x := plotRight
	for i := len(c.curves) - 1; i >= 0; i-- {
		l := c.curves[i]
		name := []rune(l.name)
		if len(name) > 40 {
			name = append(name[:39], '…')
		}
		x -= 7*len(name) + 46
		fmt.Fprintf(b, `<line class="%s" x1="%d" x2="%d" y1="%d" y2="%d"/>`, l.class, x, x+20, y-4, y-4)
		fmt.Fprintf(b, `<text class="a" x="%d" y="%d">%s</text>`+"\n", x+26, y, esc(string(name)))
	}
}

// path returns the curve as the data of an SVG path.
func (l *curve) path(r *Report, at func(float64) float64) string {
	var b strings.Builder
	for i, m := range l.minutes {
		x := horizontal(r, m)
		switch {
		case i == 0:
			fmt.Fprintf(&b, "M%.1f %.1f", x, at(l.values[i]))
		case l.steps && l.values[i] == l.values[i-1] && i < len(l.minutes)-1:
		case l.steps:
			fmt.Fprintf(&b, "H%.1fV%.1f", x, at(l.values[i]))
		default:
			fmt.Fprintf(&b, "L%.1f %.1f", x, at(l.values[i]))
		}
	}
	return b.String()
}

func horizontal(r *Report, minute int) float64 {
	return plotLeft + float64(minute)/float64(max(r.Minutes, 1))*(plotRight-plotLeft)
}

// axis returns the upper end of an axis for values up to high, and the distance between its labels. The distance is 1,
// 2 or 5 times a power of ten, and there are two to five labels.
func axis(high float64, whole bool) (top, step float64) {
	if high <= 0 {
		return 1, 1
	}
	step = math.Pow(10, math.Floor(math.Log10(high/2)))
	for _, f := range []float64{1, 2, 5, 10} {
		if high/(step*f) <= 4 {
			step *= f
			break
		}
	}
	if whole {
		step = max(1, math.Round(step))
	}
	return step * math.Ceil(high/step-1e-9), step
}

// apart are the distances that the labels of times may have, in minutes.
var apart = []int{1, 2, 5, 10, 15, 30, 60, 120, 180, 360, 720, 1440, 2880, 7200}

// timeAxis writes the times below a chart, with at most 12 labels.
func timeAxis(b *bytes.Buffer, r *Report, top, base int) {
	step := apart[len(apart)-1]
	for _, s := range apart {
		if r.Minutes/s <= 12 {
			step = s
			break
		}
	}
	for m := 0; m <= r.Minutes; m += step {
		t := r.Start.Add(time.Duration(m) * time.Minute)
		label := t.Format("15:04")
		if step >= 1440 || m > 0 && t.Hour() == 0 && t.Minute() == 0 {
			label = t.Format("Jan 2")
		}
		x := horizontal(r, m)
		anchor := "middle"
		if m == r.Minutes {
			anchor = "end"
		}
		fmt.Fprintf(b, `<line class="g" x1="%.1f" x2="%.1f" y1="%d" y2="%d"/>`, x, x, top, base+4)
		fmt.Fprintf(b, `<text class="a" x="%.1f" y="%d" text-anchor="%s">%s</text>`+"\n", x, base+17, anchor, label)
	}
}

// section is a heading and charts below it.
type section struct {
	title, summary string
	charts         []chart
}

// classes are the CSS classes of the reports that are compared, or of the curves of a single report.
var classes = []string{"c1", "c2", "c3"}

// sections returns the charts of reports on the same load. Each chart has the curves of all reports.
func sections(names []string, all []*Report) (out []section) {
	for i := range all[0].Services {
		out = append(out, serviceSection(names, all, all[0].Services[i].Cluster, all[0].Services[i].Service))
	}
	for _, g := range all[0].Groups {
		s := section{title: "Group " + g.Group + " of " + g.Type}
		c := chart{title: "instances", whole: true}
		for k, r := range all {
			for _, o := range r.Groups {
				if o.Group != g.Group {
					continue
				}
				minutes := minutesOf(o.Points, func(p GroupPoint) int { return p.Minute })
				running := column(o.Points, func(p GroupPoint) float64 { return float64(p.Instances) })
				c.curves = append(c.curves, curve{label("running", names, all, k), classes[k], true, minutes, running})
				if len(all) == 1 {
					desired := column(o.Points, func(p GroupPoint) float64 { return float64(p.Desired) })
					c.curves = append(c.curves, curve{"desired", "c2 d", true, minutes, desired})
				}
				s.summary += label(number(o.InstanceHours)+" instance-hours", names, all, k) + ". "
			}
		}
		s.charts = append(s.charts, c)
		out = append(out, s)
	}
	for _, c := range all[0].Clusters {
		out = append(out, clusterSection(names, all, c.Cluster))
	}
	return out
}

// label names a curve, with its report if there are several.
func label(name string, names []string, all []*Report, k int) string {
	if len(all) == 1 {
		return name
	}
	return name + ", " + names[k]
}

func minutesOf[P any](points []P, of func(P) int) []int {
	out := make([]int, len(points))
	for i, p := range points {
		out[i] = of(p)
	}
	return out
}

func serviceSection(names []string, all []*Report, cluster, service string) section {
	s := section{title: "Service " + cluster + "/" + service}
	load, tasks := chart{title: "load"}, chart{title: "tasks", whole: true}
	use := chart{title: "used of what the tasks reserve, %", unit: "%"}
	lost := chart{title: "late and refused requests, for each " + all[0].resolution()}
	trouble := false
	for k, r := range all {
		for i := range r.Services {
			v := &r.Services[i]
			if v.Cluster != cluster || v.Service != service {
				continue
			}
			minutes := minutesOf(v.Points, func(p ServicePoint) int { return p.Minute })
			add := func(c *chart, name, class string, steps bool, of func(ServicePoint) float64) {
				name = label(name, names, all, k)
				c.curves = append(c.curves, curve{name, class, steps, minutes, column(v.Points, of)})
			}
			if k == 0 && v.Unit != "" {
				load.title = "load, " + v.Unit
				load.curves = []curve{{v.Unit, "c1", false, minutes,
					column(v.Points, func(p ServicePoint) float64 { return p.Load })}}
			}
			single := len(all) == 1
			add(&tasks, "running", classes[k], true, func(p ServicePoint) float64 { return float64(p.Running) })
			if single {
				add(&tasks, "desired", "c2 d", true, func(p ServicePoint) float64 { return float64(p.Desired) })
			}
			add(&use, "CPU", classes[k], false, func(p ServicePoint) float64 { return p.CPU })
			if single {
				add(&use, "memory", "c3", false, func(p ServicePoint) float64 { return p.Memory })
				add(&lost, "late", "c2", false, func(p ServicePoint) float64 { return p.Late })
				add(&lost, "refused", "bad", false, func(p ServicePoint) float64 { return p.Refused })
			} else {
				add(&lost, "late or refused", classes[k], false,
					func(p ServicePoint) float64 { return p.Late + p.Refused })
			}
			trouble = trouble || v.Late+v.Refused > 0
			s.summary += label(v.summary(), names, all, k) + ". "
		}
	}
	if load.curves != nil {
		s.charts = append(s.charts, load)
	}
	s.charts = append(s.charts, tasks, use)
	if trouble {
		s.charts = append(s.charts, lost)
	}
	return s
}

// resolution returns the time between two points of a curve, for people.
func (r *Report) resolution() string {
	every := 1
	for _, s := range r.Services {
		if len(s.Points) > 1 {
			every = s.Points[1].Minute - s.Points[0].Minute
		}
	}
	if every == 1 {
		return "minute"
	}
	return fmt.Sprintf("%d minutes", every)
}

func clusterSection(names []string, all []*Report, cluster string) section {
	s := section{title: "Cluster " + cluster}
	c := chart{title: "of what its instances have, %", unit: "%"}
	for k, r := range all {
		for _, o := range r.Clusters {
			if o.Cluster != cluster {
				continue
			}
			minutes := minutesOf(o.Points, func(p ClusterPoint) int { return p.Minute })
			add := func(name, class string, of func(ClusterPoint) float64) {
				name = label(name, names, all, k)
				c.curves = append(c.curves, curve{name, class, false, minutes, column(o.Points, of)})
			}
			add("CPU reserved", classes[k], func(p ClusterPoint) float64 { return p.CPUReserved })
			if len(all) == 1 {
				add("memory reserved", "c3", func(p ClusterPoint) float64 { return p.MemoryReserved })
				add("CPU used", "c2", func(p ClusterPoint) float64 { return p.CPU })
			}
		}
	}
	s.charts = append(s.charts, c)
	return s
}
