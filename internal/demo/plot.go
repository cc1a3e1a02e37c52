package demo

import (
	"fmt"
	"io"
	"math"
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/quote"
)

// series are values by the second.
type series struct {
	name   string
	values []float64
}

// plotWidth is how many columns a plot has beside its names and numbers, so that a line fits 80 columns.
const plotWidth = 56

// bars are the heights of a column, the lowest first.
var bars = []rune(" ▁▂▃▄▅▆▇█")

// plot prints one line of bars for each series, all with the same time from left to right, and the greatest value at
// the right.
func plot(out io.Writer, all []series) {
	seconds := 0
	for _, s := range all {
		seconds = max(seconds, len(s.values))
	}
	if seconds == 0 {
		return
	}
	for _, s := range all {
		quote.Fprintf(out, "  %-11s %s %s\n", s.name, columns(s.values, seconds, plotWidth), "max "+number(s.values))
	}
	end := fmt.Sprint(seconds, " s")
	gap := strings.Repeat(" ", max(min(plotWidth, seconds)-len("0")-len(end), 1))
	quote.Fprintf(out, "  %-11s %s\n", "", "0"+gap+end)
}

// columns returns bars for values of that many seconds. A column shows the greatest value of its seconds.
func columns(values []float64, seconds, width int) string {
	width = min(width, seconds)
	top := slices.Max(append([]float64{0}, values...))
	var line strings.Builder
	for i := range width {
		from, to := i*seconds/width, (i+1)*seconds/width
		if from >= len(values) {
			break
		}
		v := slices.Max(values[from:min(to, len(values))])
		height := 0
		if top > 0 {
			height = int(math.Ceil(v / top * float64(len(bars)-1)))
		}
		line.WriteRune(bars[max(height, 0)])
	}
	return line.String() + strings.Repeat(" ", width-len([]rune(line.String())))
}

// number returns the greatest value.
func number(values []float64) string {
	return fmt.Sprintf("%.0f", slices.Max(append([]float64{0}, values...)))
}
