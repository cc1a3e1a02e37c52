package request

import (
	"fmt"
	"regexp"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/appscaling"
	"github.com/berthhq/berth/internal/meter/compare"
)

// MathQuery is an element of the Metrics of a target tracking policy.
type MathQuery struct {
	ID                string
	Label, Expression *string
	ReturnData        *bool
	Measure           *alarm.Measure // nil without MetricStat
}

// ParseMath reads metric math: metrics and expressions, of which exactly one is compared with the target (ecs.md 6.15).
// It refuses what the alarms of the policy could not evaluate; problem is then a sentence that says why.
func ParseMath(in []MathQuery) (all []alarm.Query, problem string) {
	if len(in) == 0 {
		return nil, "The collection Metrics must have at least one element."
	}
	for _, one := range in {
		if problem := one.problem(); problem != "" {
			return nil, problem
		}
		all = append(all, alarm.Query{ID: one.ID, Label: Value(one.Label), Expression: Value(one.Expression),
			Measure: one.Measure, Hidden: one.ReturnData != nil && !*one.ReturnData})
	}
	period, problem := compare.Check((&appscaling.Tracking{Math: all}).Queries(time.Minute))
	switch {
	case problem != "":
		return nil, "The metric math is invalid: " + problem
	case period != time.Minute:
		return nil, fmt.Sprintf("The metric math is invalid: its result has a period of %v, and it must be a minute.",
			period)
	}
	return all, ""
}

var mathID = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

// problem returns why an element is refused, or "" if it is not.
func (q MathQuery) problem() string {
	switch {
	case !mathID.MatchString(q.ID):
		return fmt.Sprintf("The Id %q in Metrics is invalid: it begins with a lower-case letter and has letters, "+
			"digits and underscores.", q.ID)
	case (q.Measure == nil) == (q.Expression == nil):
		return fmt.Sprintf("The element %s of Metrics needs either MetricStat or Expression.", q.ID)
	case q.Measure == nil:
		return ""
	}
	if err := CheckMeasure(q.Measure); err != nil {
		return fmt.Sprintf("The element %s of Metrics is invalid: %v.", q.ID, err)
	}
	return ""
}
