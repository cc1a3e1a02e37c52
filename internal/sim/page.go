package sim

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"time"
)

// colours are the CSS colours for light and dark screens.
const colours = `
:root{color-scheme:light dark;--bg:#fff;--ink:#1f2328;--soft:#59636e;--grid:#d8dee4;--c1:#0969da;--c2:#bc4c00;
--c3:#1a7f37;--bad:#cf222e;--card:#f6f8fa}
@media (prefers-color-scheme:dark){:root{--bg:#0d1117;--ink:#e6edf3;--soft:#9198a1;--grid:#2d333b;--c1:#4493f8;
--c2:#f0883e;--c3:#3fb950;--bad:#ff7b72;--card:#161b22}}
`

// lines are the CSS styles of the drawings.
const lines = `
text{font:13px system-ui,sans-serif;fill:var(--ink)}.t{font-weight:600}.h{font-size:20px;font-weight:600}
.a{fill:var(--soft);font-size:12px;font-variant-numeric:tabular-nums}
path{fill:none;stroke-width:1.8;stroke-linejoin:round}.g{stroke:var(--grid);stroke-width:1}
path.c1,line.c1{stroke:var(--c1);stroke-width:2}path.c2,line.c2{stroke:var(--c2);stroke-width:2}
path.c3,line.c3{stroke:var(--c3);stroke-width:2}path.bad,line.bad{stroke:var(--bad);stroke-width:2}
.d{stroke-dasharray:5 3}
`

// SVG draws reports on the same load as one picture for light and dark screens. names has the name of each report.
func SVG(w io.Writer, names []string, all []*Report) error {
	var b bytes.Buffer
	y := 76
	for _, s := range sections(names, all) {
		fmt.Fprintf(&b, `<text class="h" x="%d" y="%d">%s</text>`+"\n", plotLeft, y, esc(s.title))
		y += 22
		for _, text := range broken(s.summary, 130) {
			fmt.Fprintf(&b, `<text class="a" x="%d" y="%d">%s</text>`+"\n", plotLeft, y, esc(text))
			y += 17
		}
		for i := range s.charts {
			s.charts[i].draw(&b, all[0], y)
			y += chartTall + 8
		}
		y += 34
	}
	_, err := fmt.Fprintf(w, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %d %d" width="%d" height="%d">
<style>%s%s</style><rect width="100%%" height="100%%" fill="var(--bg)"/>
<text class="h" x="%d" y="32">%s</text>
%s</svg>
`, chartWidth, y, chartWidth, y, colours, lines, plotLeft, esc(headline(all[0])), b.String())
	return err
}

func headline(r *Report) string {
	return fmt.Sprintf("berth simulate, %s to %s", r.Start.Format(stamp),
		r.Start.Add(time.Duration(r.Minutes)*time.Minute).Format(stamp))
}

// broken breaks text into lines of at most n characters.
func broken(text string, n int) (out []string) {
	var b strings.Builder
	line(&b, n, 0, text)
	for l := range strings.Lines(b.String()) {
		if l = strings.TrimSpace(l); l != "" {
			out = append(out, l)
		}
	}
	return out
}

// page is the CSS of the HTML around the drawings.
const page = `
body{background:var(--bg);color:var(--ink);font:15px/1.5 system-ui,sans-serif;max-width:960px;margin:32px auto;
padding:0 16px}h1{font-size:24px;margin-bottom:0}h2{font-size:19px;margin:40px 0 4px}
p{color:var(--soft);margin:4px 0 8px}
svg{width:100%;height:auto;display:block}table{border-collapse:collapse;width:100%;margin:8px 0 24px}
th,td{text-align:left;padding:5px 10px 5px 0;border-bottom:1px solid var(--grid);vertical-align:top}
th{color:var(--soft);font-weight:600}.n{text-align:right;font-variant-numeric:tabular-nums;white-space:nowrap}
td.w{white-space:nowrap;font-variant-numeric:tabular-nums}tr.bad td{color:var(--bad)}
td{overflow-wrap:anywhere}summary{cursor:pointer;color:var(--c1);margin:8px 0}
`

// pageDecisions is the most decisions of a report on a page.
const pageDecisions = 3000

// HTML writes a page that loads nothing else. It has the drawings, the figures, and every decision with its reason.
// names has the name of each report.
func HTML(w io.Writer, names []string, all []*Report) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, `<!doctype html><html lang="en"><meta charset="utf-8"><title>berth simulate</title>
<meta name="viewport" content="width=device-width"><meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'"><style>%s%s%s</style>
<h1>%s</h1><p>The real controllers, alarms and schedulers on a clock of their own, seed %d.</p>
`, colours, lines, page, esc(headline(all[0])), all[0].Seed)
	figures(&b, names, all)
	for _, s := range sections(names, all) {
		fmt.Fprintf(&b, "<h2>%s</h2><p>%s</p>\n", esc(s.title), esc(s.summary))
		for i := range s.charts {
			fmt.Fprintf(&b, `<svg viewBox="0 0 %d %d" role="img" aria-label="%s">`+"\n", chartWidth, chartTall,
				esc(s.title+": "+s.charts[i].title))
			s.charts[i].draw(&b, all[0], 0)
			b.WriteString("</svg>\n")
		}
	}
	hours(&b, names, all)
	for i, r := range all {
		decisions(&b, label("Decisions", names, all, i), r)
	}
	b.WriteString("</html>\n")
	_, err := w.Write(b.Bytes())
	return err
}

// figures writes the table that compares the reports.
func figures(b *bytes.Buffer, names []string, all []*Report) {
	b.WriteString("<table><tr><th>")
	for i := range all {
		fmt.Fprintf(b, `<th class="n">%s`, esc(names[i]))
	}
	b.WriteString("</tr>\n")
	for _, f := range compare(all) {
		if strings.Contains(f.name, ":") {
			continue // it belongs to a service or group, and is in its section
		}
		fmt.Fprintf(b, "<tr><td>%s", esc(f.name))
		for _, v := range f.values {
			fmt.Fprintf(b, `<td class="n">%s`, number(v))
		}
		b.WriteString("</tr>\n")
	}
	b.WriteString("</table>\n")
}

// hours writes how much reserved instances would be used.
func hours(b *bytes.Buffer, names []string, all []*Report) {
	b.WriteString("<h2>Instance-hours</h2><p>Reserved hours are paid whether they are used or not.</p><table>" +
		"<tr><th>Group" +
		`<th class="n">reserved instances<th class="n">reserved hours<th class="n">of which used` +
		`<th class="n">hours on demand</tr>` + "\n")
	for i, r := range all {
		for _, g := range r.Groups {
			fmt.Fprintf(b, `<tr><td>%s<td class="n">none<td class="n">0<td class="n"><td class="n">%s</tr>`+"\n",
				esc(label(g.Group+" ("+g.Type+")", names, all, i)), number(g.InstanceHours))
			for _, v := range g.Reserved {
				fmt.Fprintf(b, `<tr><td><td class="n">%d<td class="n">%s<td class="n">%s %%<td class="n">%s</tr>`+"\n",
					v.Instances, number(v.Hours), number(v.Used), number(v.OnDemandHours))
			}
		}
	}
	b.WriteString("</table>\n")
}

// decisions writes the decisions that changed capacity or were refused, and all others in a part that is closed at
// first.
func decisions(b *bytes.Buffer, title string, r *Report) {
	fmt.Fprintf(b, "<h2>%s</h2>\n", esc(title))
	for i, what := range r.Unmeasured {
		if i == 0 {
			b.WriteString("<p>Not simulated:</p>\n")
		}
		fmt.Fprintf(b, "<p>%s</p>\n", esc(what))
	}
	rows := func(important bool) {
		b.WriteString("<table><tr><th>time<th>what<th>of<th>decision and reason</tr>\n")
		n := 0
		for _, d := range r.Decisions {
			if d.important() != important {
				continue
			}
			if n++; n > pageDecisions {
				continue
			}
			class := ""
			if d.Refused {
				class = ` class="bad"`
			}
			fmt.Fprintf(b, `<tr%s><td class="w">%s<td>%s<td>%s<td>%s`, class,
				d.At.Format("Jan 2 15:04:05"), esc(d.Kind),
				esc(d.Subject), esc(d.Text))
			if d.Reason != "" {
				fmt.Fprintf(b, "<br><small>%s</small>", esc(d.Reason))
			}
			b.WriteString("</tr>\n")
		}
		b.WriteString("</table>\n")
		if n > pageDecisions {
			fmt.Fprintf(b, "<p>%d more are in the JSON.</p>\n", n-pageDecisions)
		}
	}
	rows(true)
	b.WriteString("<details><summary>What services and alarms said otherwise</summary>\n")
	rows(false)
	b.WriteString("</details>\n")
	if r.Omitted > 0 {
		fmt.Fprintf(b, "<p>%d more decisions were not recorded.</p>\n", r.Omitted)
	}
}
