package demo

import (
	"strings"
	"testing"
)

func TestPlot(t *testing.T) {
	for _, c := range []struct {
		name    string
		values  []float64
		seconds int
		want    string
	}{
		{"a value is a column", []float64{0, 1, 2, 4, 8}, 5, " ▁▂▄█"},
		{"nothing was measured", nil, 3, "   "},
		{"all are zero", []float64{0, 0}, 2, "  "},
		{"a series that ended early", []float64{8}, 3, "█  "},
		{"more seconds than columns: the greatest counts", []float64{1, 8, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1}, 12, "█▁▁▁▁▁"},
	} {
		if got := columns(c.values, c.seconds, 6); got != c.want {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
}

func TestPlotFitsATerminal(t *testing.T) {
	var out strings.Builder
	long := make([]float64, 500)
	long[17] = 12345
	plot(&out, []series{{"requests/s", long}, {"instances", []float64{1, 2}}})
	lines := strings.Split(strings.TrimRight(out.String(), "\n"), "\n")
	if len(lines) != 3 {
		t.Fatalf("%d lines, want one for each series and one for the time:\n%s", len(lines), out.String())
	}
	for _, line := range lines {
		if n := len([]rune(line)); n > 80 {
			t.Errorf("%d columns: %s", n, line)
		}
	}
	if !strings.Contains(lines[0], "max 12345") || !strings.HasSuffix(lines[2], "500 s") {
		t.Errorf("the plot is\n%s", out.String())
	}
}
