package dashboard

import (
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/golden"
)

// All that is wrong with a body is told at once, each with its path.
func TestEveryFaultIsTold(t *testing.T) {
	body := `{"start": 1, "end": true, "periodOverride": "never", "widgets": [
		{},
		{"type": "metric"},
		{"type": "metric", "x": -1, "y": 0.5, "width": 25, "height": 1001, "properties": {}},
		{"type": "metric", "properties": {"region": 1, "title": 2, "stat": 3, "stacked": "yes", "view": "map",
			"period": 0, "metrics": ["CPUUtilization", []]}},
		{"type": "metric", "properties": {"region": "us-east-1", "annotations": {"horizontal": []}}},
		{"type": "text", "properties": {"markdown": 1}},
		{"type": "log", "properties": {"query": 1}},
		{"type": "alarm", "properties": {}},
		{"type": "custom", "y": 1, "properties": {"endpoint": []}},
		{"type": 7, "properties": {}},
		null
	]}`
	var out strings.Builder
	for _, m := range Validate(body) {
		fmt.Fprintf(&out, "%s: %s\n", m.Path, m.Text)
	}
	golden.Compare(t, "faults.txt", out.String())
}
