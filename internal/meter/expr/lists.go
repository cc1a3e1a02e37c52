package expr

import (
	"cmp"
	"errors"
	"math"
	"slices"
)

func removeEmpty(c call) (value, error) {
	all, err := c.series()
	if err != nil {
		return value{}, err
	}
	return list(slices.DeleteFunc(slices.Clone(all), func(s Series) bool { return len(s.Points) == 0 })), nil
}

func slice(c call) (value, error) {
	all, err := c.series()
	if err != nil {
		return value{}, err
	}
	from, to := 0.0, float64(len(all))
	for i, a := range c.args[1:] {
		if a.isText || a.isTimes || !(a.number >= 0) {
			return c.fail("takes numbers from 0 on after the time series")
		}
		if i == 0 {
			from = a.number
		} else {
			to = min(to, a.number)
		}
	}
	if len(c.args) == 2 { // the first argument is one series and not a list
		if int(min(from, 1e9)) >= len(all) {
			return list(nil), nil
		}
		return times(all[int(from)]), nil
	}
	return list(all[int(min(from, to)):int(to)]), nil
}

func sorted(c call) (value, error) {
	all, err := c.series()
	if err != nil {
		return value{}, err
	}
	by, ok := map[string]func([]float64) float64{"AVG": average, "MAX": slices.Max[[]float64],
		"MIN": slices.Min[[]float64],
		"SUM": total}[c.args[1].text]
	if !ok || c.args[2].text != "ASC" && c.args[2].text != "DESC" {
		return c.fail("takes AVG, MAX, MIN or SUM second and ASC or DESC third")
	}
	score := func(s Series) float64 {
		values := make([]float64, len(s.Points))
		for i, p := range s.Points {
			values[i] = p.Value
		}
		if len(values) == 0 {
			return math.Inf(-1)
		}
		return by(values)
	}
	all = slices.Clone(all)
	slices.SortStableFunc(all, func(a, b Series) int {
		if c.args[2].text == "DESC" {
			a, b = b, a
		}
		return cmp.Compare(score(a), score(b))
	})
	if len(c.args) == 4 {
		if limit := c.args[3]; limit.isText || limit.isTimes || !(limit.number >= 0) {
			return c.fail("takes a number of time series fourth")
		}
		all = all[:int(min(c.args[3].number, float64(len(all))))]
	}
	return list(all), nil
}

func search(c call) (value, error) {
	if !c.args[0].isText || !c.args[1].isText || len(c.args) == 3 && (c.args[2].isText || c.args[2].isTimes) {
		return c.fail("takes a query, a statistic and a period")
	}
	period := float64(c.env.Period)
	if len(c.args) == 3 {
		period = c.args[2].number
	}
	if !(period >= 1 && period <= 86400*365 && period == math.Trunc(period)) {
		return c.fail("takes a period of whole seconds")
	}
	if c.env.Search == nil {
		return value{}, errors.New("SEARCH cannot be used here")
	}
	all, err := c.env.Search(c.args[0].text, c.args[1].text, int64(period))
	if len(all) > maxSeries {
		return c.fail("found %d time series, and at most %d are returned", len(all), maxSeries)
	}
	return list(all), err
}
