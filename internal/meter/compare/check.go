package compare

import (
	"fmt"
	"time"

	"github.com/berthhq/berth/internal/alarm"
	"github.com/berthhq/berth/internal/meter/query"
	"github.com/berthhq/berth/internal/scaling"
)

// MaxQueries is the maximum number of metrics and expressions of an alarm (ecs.md 7.4).
const MaxQueries = 10

// Check returns the period of the query that an alarm compares. problem is a sentence that says why no alarm can have
// the queries: not exactly one of them is compared, or an expression could never be evaluated. It is "" for valid ones.
func Check(all []alarm.Query) (period time.Duration, problem string) {
	if len(all) > MaxQueries {
		return 0, fmt.Sprintf("The collection Metrics must not have a size greater than %d.", MaxQueries)
	}
	var queries, shown []query.Query
	seen := make(map[string]bool)
	for _, q := range all {
		if seen[q.ID] {
			return 0, "The values for parameter id in Metrics are not unique."
		}
		seen[q.ID] = true
		one, err := parsed(new(alarm.Alarm), q, scaling.PaceOfAWS)
		if err != nil {
			return 0, fmt.Sprintf("%v.", &query.Error{ID: q.ID, Err: err})
		}
		if one.Expr != nil && one.Expr.Searches() {
			return 0, fmt.Sprintf("The expression '%s' is invalid: SEARCH cannot be used in an alarm.", q.ID)
		}
		if queries = append(queries, one); !q.Hidden {
			shown = append(shown, one)
		}
	}
	if len(shown) != 1 {
		return 0, "Exactly one element of the metrics list should return data."
	}
	return evaluated(queries, shown[0])
}

// evaluated evaluates all queries without data, and returns the period of the one that is compared.
func evaluated(queries []query.Query, compared query.Query) (period time.Duration, problem string) {
	epoch := time.Unix(0, 0)
	r := query.New(nil, "", queries, epoch, epoch.Add(time.Second), epoch)
	for _, q := range queries {
		found, err := r.Series(q.ID)
		if err != nil {
			return 0, fmt.Sprintf("%v.", err)
		}
		if q.ID != compared.ID {
			continue
		}
		if len(found) != 1 {
			return 0, fmt.Sprintf("The expression '%s' is invalid: an alarm needs a single time series, and it has %d.",
				q.ID, len(found))
		}
		period = max(time.Duration(found[0].Period)*time.Second, q.Period)
	}
	return period, ""
}
