package request

import (
	"errors"
	"fmt"
	"slices"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
)

// CheckMeasure returns an error if the metric of a scaling policy is not one that CloudWatch can have: names of 1 to
// 255 characters, at most 30 dimensions with different names (ecs.md 7.1), and a unit of CloudWatch or none. The text
// of the error is a sentence without a full stop.
func CheckMeasure(m *alarm.Measure) error {
	switch {
	case m.Metric.Namespace == "" || m.Metric.Name == "" || m.Statistic == "":
		return errors.New("a metric needs MetricName, Namespace and a statistic")
	case max(len(m.Metric.Namespace), len(m.Metric.Name)) > 255:
		return errors.New("MetricName and Namespace have at most 255 characters")
	case len(m.Metric.Dimensions) > 30:
		return fmt.Errorf("a metric has at most 30 Dimensions, and this one has %d", len(m.Metric.Dimensions))
	case m.Unit != "" && !slices.Contains(cloudwatch.EnumValues("StandardUnit"), m.Unit):
		return fmt.Errorf("the Unit %q is not one of CloudWatch", m.Unit)
	}
	for i, d := range m.Metric.Dimensions {
		if d.Name == "" || len(d.Name) > 255 || d.Value == "" || len(d.Value) > 1024 {
			return fmt.Errorf("the name of a dimension has 1 to 255 characters and its value 1 to 1024; those of %q "+
				"do not", d.Name)
		}
		if slices.ContainsFunc(m.Metric.Dimensions[:i], func(o alarm.Dimension) bool { return o.Name == d.Name }) {
			return fmt.Errorf("the dimension %s is given twice", d.Name)
		}
	}
	return nil
}
