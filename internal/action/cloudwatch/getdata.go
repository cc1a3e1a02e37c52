package cloudwatch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/expr"
	"github.com/berthhq/berth/internal/meter/query"
)

// maxQueries is the maximum number of queries in GetMetricData (ecs.md 7.3).
const maxQueries = 500

// pointPages are the page sizes of GetMetricData, in datapoints (ecs.md 7.3).
var pointPages = request.Pages{Default: query.MaxDatapoints, Least: 1, Most: query.MaxDatapoints,
	Refuse: func(size, least, most int32) error {
		return invalid("The value %d for parameter MaxDatapoints is invalid: it must be from %d to %d.",
			size, least, most)
	}}

func (a *api) getMetricData(
	_ context.Context, call *awswire.Call, in *shape.GetMetricDataInput,
) (*shape.GetMetricDataOutput, error) {
	switch start, end := in.StartTime.Truncate(time.Second), in.EndTime.Truncate(time.Second); {
	case start.Equal(end):
		return nil, validation("The parameter StartTime must not equal parameter EndTime.")
	case start.After(end):
		return nil, validation("The parameter EndTime must be greater than StartTime.")
	}
	if err := interval(in.StartTime, in.EndTime); err != nil {
		return nil, err
	}
	points := pointPages.Ask(in.MaxDatapoints, in.NextToken)
	if err := points.Check(); err != nil {
		return nil, err
	}
	queries, err := parseQueries(call, in.MetricDataQueries)
	if err != nil {
		return nil, err
	}
	asked, err := json.Marshal([]any{in.MetricDataQueries, in.StartTime, in.EndTime, in.ScanBy})
	if err != nil {
		return nil, err
	}
	page, err := call.Page(in.NextToken, string(asked))
	if err != nil {
		return nil, err
	}
	r := query.New(a.points, scope(call), parsed(queries), *in.StartTime, *in.EndTime, call.Now)
	var all []shape.MetricDataResult
	for _, q := range queries {
		if !q.hidden {
			more, err := results(r, q, in.ScanBy != shape.ScanByTimestampAscending)
			if err != nil {
				return nil, err
			}
			all = append(all, more...)
		}
	}
	return cut(all, page, points.Limit()), nil
}

// cut returns the datapoints that follow those of the earlier pages, up to the limit. The token has the
// result, and the point in it, where the next page begins.
func cut(results []shape.MetricDataResult, page awswire.Page, limit int) *shape.GetMetricDataOutput {
	out := &shape.GetMetricDataOutput{}
	result, point, _ := strings.Cut(page.After, ".")
	first, _ := strconv.Atoi(result) // Berth made the token, so this is a number
	from, _ := strconv.Atoi(point)
	for i := first; i < len(results); i++ {
		r := results[i]
		n := len(r.Values)
		if limit == 0 && n > 0 {
			out.NextToken = page.Token(fmt.Sprintf("%d.%d", i, from))
			break
		}
		to := min(n, from+limit)
		limit -= to - from
		r.Timestamps, r.Values = r.Timestamps[from:to], r.Values[from:to]
		if to < n {
			r.StatusCode = shape.StatusCodePartialData
			out.NextToken = page.Token(fmt.Sprintf("%d.%d", i, to))
		}
		out.MetricDataResults = append(out.MetricDataResults, r)
		if to < n {
			break
		}
		from = 0
	}
	return out
}

// asking is a query of a call, with what the answer needs.
type asking struct {
	query.Query
	label     string
	statistic string // as the caller wrote it; "" for an expression
	hidden    bool   // ReturnData is false
}

func parsed(all []*asking) (queries []query.Query) {
	for _, q := range all {
		queries = append(queries, q.Query)
	}
	return queries
}

var idPattern = regexp.MustCompile(`^[a-z][a-zA-Z0-9_]{0,254}$`)

func parseQueries(call *awswire.Call, in []shape.MetricDataQuery) ([]*asking, error) {
	switch n := len(in); {
	case n == 0:
		return nil, missing("The parameter MetricDataQueries is required.")
	case n > maxQueries:
		return nil, invalid("The collection MetricDataQueries must not have a size greater than %d.", maxQueries)
	}
	var all []*asking
	for i, q := range in {
		one, err := parseQuery(call, q, fmt.Sprintf("MetricDataQueries.member.%d", i+1))
		if err != nil {
			return nil, err
		}
		if slices.ContainsFunc(all, func(other *asking) bool { return other.ID == one.ID }) {
			return nil, validation("The values for parameter id in MetricDataQueries are not unique.")
		}
		all = append(all, one)
	}
	labelStatistics(all)
	return all, nil
}

// labelStatistics gives queries of one metric that differ in their statistics labels that tell them apart, as AWS does:
// the metric's name and the statistic.
func labelStatistics(all []*asking) {
	statistics := make(map[string]map[string]bool) // by the metric's name
	for _, q := range all {
		if q.Expr == nil {
			if statistics[q.Metric.Name] == nil {
				statistics[q.Metric.Name] = make(map[string]bool)
			}
			statistics[q.Metric.Name][q.statistic] = true
		}
	}
	for _, q := range all {
		if q.Expr == nil && q.label == "" && len(statistics[q.Metric.Name]) > 1 {
			q.label = q.Metric.Name + " " + q.statistic
		}
	}
}

func parseQuery(call *awswire.Call, in shape.MetricDataQuery, at string) (*asking, error) {
	q := &asking{Query: query.Query{ID: request.Value(in.Id)}, label: request.Value(in.Label),
		hidden: in.ReturnData != nil && !*in.ReturnData}
	switch {
	case !idPattern.MatchString(q.ID):
		return nil, validation("The value %q for parameter %s.Id is invalid: it begins with a "+
			"lower-case letter and has letters, "+
			"digits and underscores.", q.ID, at)
	case strings.Contains(q.label, "${"):
		return nil,
			validation("The value %q for parameter %s.Label is invalid: dynamic labels are not "+
				"supported by Berth.",
				q.label, at)
	case in.MetricStat == nil && in.Expression == nil:
		return nil, validation("The parameter %s.MetricStat is required.\n", at)
	case in.MetricStat != nil && in.Expression != nil:
		return nil,
			validation("Exactly one of the parameters %s.MetricStat and %[1]s.Expression must be "+
				"specified.", at)
	}
	var err error
	if in.Expression != nil {
		if in.Period != nil {
			if q.Period, err = period(at+".Period", in.Period); err != nil {
				return nil, err
			}
		}
		if q.Expr, err = expr.Parse(*in.Expression); err != nil {
			return nil, wrong(&query.Error{ID: q.ID, Err: err})
		}
		return q, nil
	}
	s := in.MetricStat
	at += ".MetricStat"
	if q.Metric, err = metric(call, s.Metric.Namespace, s.Metric.MetricName, s.Metric.Dimensions,
		at+".Metric.Dimensions"); err != nil {
		return nil, err
	}
	if q.Period, err = period(at+".Period", s.Period); err != nil {
		return nil, err
	}
	if q.Stat, err = meter.ParseStatistic(request.Value(s.Stat)); err != nil {
		return nil, validation("The value %s for parameter %s.Stat is invalid: %v.", request.Value(s.Stat), at, err)
	}
	q.Unit, q.statistic = s.Unit, request.Value(s.Stat)
	return q, nil
}

// wrong returns the error for an expression that cannot be parsed or evaluated.
func wrong(err error) error {
	if e, ok := errors.AsType[*query.Error](err); ok {
		return validation("%v.", e).With(err)
	}
	return err
}

// results returns the results of a query: one, or one for each time series of an expression.
func results(r *query.Reading, q *asking, newestFirst bool) (all []shape.MetricDataResult, err error) {
	found, err := r.Series(q.ID)
	if err != nil {
		return nil, wrong(err)
	}
	for _, s := range found {
		label := q.label
		switch {
		case q.Expr == nil && label == "":
			label = q.Metric.Name
		case label == "" && len(found) > 1 && s.Label != "":
			label = s.Label
		case label == "":
			label = q.ID
		case len(found) > 1 && s.Label != "":
			label += " " + s.Label
		}
		out := shape.MetricDataResult{Id: &q.ID, Label: &label, StatusCode: shape.StatusCodeComplete}
		for _, p := range s.Points {
			out.Timestamps = append(out.Timestamps, time.Unix(p.At, 0).UTC())
			out.Values = append(out.Values, p.Value)
		}
		if newestFirst {
			slices.Reverse(out.Timestamps)
			slices.Reverse(out.Values)
		}
		all = append(all, out)
	}
	return all, nil
}
