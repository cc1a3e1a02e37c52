package state

import "github.com/berthhq/berth/internal/loggroup"

// MetricFiltersOf returns how many metric filters a log group has.
func (t *Tables) MetricFiltersOf(groupARN string) (n int) {
	for range t.MetricFilters.Prefix(loggroup.FilterARN(groupARN, "")) {
		n++
	}
	return n
}
