package scaling

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Schedule says when a scheduled action is due: at(2026-11-30T08:00:00), rate(5 minutes) or cron(0
// 8 ? * MON-FRI *), in a time zone (ecs.md 6.13).
type Schedule struct {
	at   time.Time
	rate time.Duration
	cron *cron
	zone *time.Location
}

var errSchedule = errors.New("a schedule is at(yyyy-mm-ddThh:mm:ss), rate(value unit) or " +
	"cron(minutes hours day-of-month month day-of-week year)")

// ParseSchedule reads a schedule whose times are in the zone.
func ParseSchedule(text string, zone *time.Location) (Schedule, error) {
	kind, inside, ok := strings.Cut(text, "(")
	inside, closed := strings.CutSuffix(inside, ")")
	if !ok || !closed {
		return Schedule{}, fmt.Errorf("%q is not a schedule: %w", text, errSchedule)
	}
	s, err := Schedule{zone: zone}, errSchedule
	switch kind {
	case "at":
		s.at, err = time.ParseInLocation("2006-01-02T15:04:05", inside, zone)
	case "rate":
		s.rate, err = parseRate(inside)
	case "cron":
		s.cron, err = parseCron(inside)
	}
	if err != nil {
		return Schedule{}, fmt.Errorf("%q is not a schedule: %w", text, err)
	}
	return s, nil
}

func parseRate(text string) (time.Duration, error) {
	number, unit, _ := strings.Cut(text, " ")
	n, err := strconv.Atoi(number)
	if err != nil || n < 1 || n > 1_000_000 {
		return 0, errors.New("the value of a rate is a number from 1 to 1000000")
	}
	each, ok := map[string]time.Duration{"minute": time.Minute, "hour": time.Hour, "day": 24 * time.Hour}[strings.
		TrimSuffix(unit, "s")]
	if !ok || (n == 1) == strings.HasSuffix(unit, "s") {
		return 0, errors.New("the unit of a rate is minute, hour or day for 1, and minutes, hours or days otherwise")
	}
	if each*time.Duration(n)/each != time.Duration(n) {
		return 0, errors.New("the value of a rate is too large")
	}
	return each * time.Duration(n), nil
}

// Once reports whether a schedule is for one time only.
func (s Schedule) Once() bool { return s.rate == 0 && s.cron == nil }

// Next returns the first time later than after at which the schedule is due, or the zero time when
// there is none. A rate counts from start.
func (s Schedule) Next(after, start time.Time) time.Time {
	switch {
	case s.cron != nil:
		return s.cron.next(after, s.zone)
	case s.rate > 0:
		if start.After(after) {
			return start
		}
		return start.Add((after.Sub(start)/s.rate + 1) * s.rate)
	case s.at.After(after):
		return s.at
	}
	return time.Time{}
}

// cron holds what a cron expression allows.
type cron struct {
	minutes, hours, months, years set
	days                          set
	lastDay                       bool // L
	workday                       int  // the n of nW; 0 when there is none
	weekdays                      set  // 1 is Sunday
	lastWeekday                   int  // the n of nL
	nth                           [2]int
	byWeekday                     bool
	either                        bool // a day matches if days or weekdays match
}

// set holds the numbers that are true.
type set map[int]bool

const (
	firstYear = 1970
	lastYear  = 2199
)

var (
	monthNames = strings.Split("JAN FEB MAR APR MAY JUN JUL AUG SEP OCT NOV DEC", " ")
	dayNames   = strings.Split("SUN MON TUE WED THU FRI SAT", " ")
)

func parseCron(text string) (c *cron, err error) {
	f := strings.Fields(text)
	if len(f) != 6 {
		return nil, fmt.Errorf("a cron expression has six fields, and this one has %d", len(f))
	}
	if (f[2] == "?") == (f[4] == "?") {
		return nil, errors.New("exactly one of day-of-month and day-of-week is ?")
	}
	c = &cron{byWeekday: f[2] == "?"}
	var errs [6]error
	c.minutes, errs[0] = parseSet(f[0], 0, 59, nil)
	c.hours, errs[1] = parseSet(f[1], 0, 23, nil)
	c.months, errs[3] = parseSet(f[3], 1, 12, monthNames)
	c.years, errs[5] = parseSet(f[5], firstYear, lastYear, nil)
	if c.byWeekday {
		errs[4] = c.parseWeekday(f[4])
	} else {
		errs[2] = c.parseDay(f[2])
	}
	return c, errors.Join(errs[:]...)
}

// ParseUnixCron parses a cron expression of five fields, as cron(8) and EC2 Auto Scaling use them: minute, hour, day of
// the month, month, and day of the week (0 or SUN to 6; 7 is Sunday too). If both day fields are restricted, a day
// matches if either of them matches.
func ParseUnixCron(text string, zone *time.Location) (Schedule, error) {
	f := strings.Fields(text)
	if len(f) != 5 {
		return Schedule{}, fmt.Errorf("a cron expression has five fields, and this one has %d", len(f))
	}
	c := &cron{years: make(set), weekdays: make(set)}
	for y := firstYear; y <= lastYear; y++ {
		c.years[y] = true
	}
	var errs [5]error
	var days set
	c.minutes, errs[0] = parseSet(f[0], 0, 59, nil)
	c.hours, errs[1] = parseSet(f[1], 0, 23, nil)
	c.days, errs[2] = parseSet(f[2], 1, 31, nil)
	c.months, errs[3] = parseSet(f[3], 1, 12, monthNames)
	days, errs[4] = parseSet(f[4], 0, 7, dayNames)
	for day := range days {
		c.weekdays[day%7+1] = true
	}
	c.byWeekday = f[4] != "*"
	c.either = c.byWeekday && f[2] != "*"
	return Schedule{cron: c, zone: zone}, errors.Join(errs[:]...)
}

func (c *cron) parseDay(text string) (err error) {
	day, isWork := strings.CutSuffix(text, "W")
	switch {
	case text == "L":
		c.lastDay = true
	case isWork:
		c.workday, err = parseNumber(day, 1, 31, nil)
	default:
		c.days, err = parseSet(text, 1, 31, nil)
	}
	return err
}

func (c *cron) parseWeekday(text string) (err error) {
	text = strings.ToUpper(text)
	day, isLast := strings.CutSuffix(text, "L")
	weekday, nth, isNth := strings.Cut(text, "#")
	switch {
	case text == "L":
		c.weekdays = set{7: true}
	case isLast:
		c.lastWeekday, err = parseNumber(day, 1, 7, dayNames)
	case isNth:
		var nthErr error
		c.nth[0], err = parseNumber(weekday, 1, 7, dayNames)
		c.nth[1], nthErr = parseNumber(nth, 1, 5, nil)
		err = errors.Join(err, nthErr)
	default:
		c.weekdays, err = parseSet(text, 1, 7, dayNames)
	}
	return err
}

// parseSet reads lists of numbers, ranges and steps: 0,30 or MON-FRI or */15 or 10/5.
func parseSet(text string, first, last int, names []string) (set, error) {
	all := make(set)
	for item := range strings.SplitSeq(text, ",") {
		span, step, stepped := strings.Cut(item, "/")
		from, to, isRange := strings.Cut(span, "-")
		by := 1
		var err error
		if stepped {
			by, err = parseNumber(step, 1, last, nil)
		}
		low, high := first, last
		if span != "*" {
			var lowErr, highErr error
			low, lowErr = parseNumber(from, first, last, names)
			switch {
			case isRange:
				high, highErr = parseNumber(to, first, last, names)
			case !stepped:
				high = low
			}
			err = errors.Join(err, lowErr, highErr)
		}
		if err == nil && low > high {
			err = fmt.Errorf("%q is a range that ends before it begins", item)
		}
		if err != nil {
			return nil, err
		}
		for n := low; n <= high; n += by {
			all[n] = true
		}
	}
	return all, nil
}

func parseNumber(text string, first, last int, names []string) (int, error) {
	for i, name := range names {
		if strings.EqualFold(text, name) {
			return first + i, nil
		}
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < first || n > last || strings.HasPrefix(text, "+") {
		return 0, fmt.Errorf("%q is not a number from %d to %d", text, first, last)
	}
	return n, nil
}

// next returns the first minute later than after that the expression allows. A time that a change
// to summer time skips is moved by as much as the clock; one that occurs twice counts only the
// first time.
func (c *cron) next(after time.Time, zone *time.Location) time.Time {
	local := after.In(zone)
	for y := max(local.Year(), firstYear); y <= lastYear; y++ {
		if !c.years[y] {
			continue
		}
		for m := time.January; m <= time.December; m++ {
			if !c.months[int(m)] || y == local.Year() && m < local.Month() {
				continue
			}
			for d := 1; d <= monthDays(y, m); d++ {
				if !c.allowsDay(y, m, d) || y == local.Year() && m == local.Month() && d < local.Day() {
					continue
				}
				if t := c.within(y, m, d, after, zone); !t.IsZero() {
					return t
				}
			}
		}
	}
	return time.Time{}
}

// within returns the first allowed time of a day that is later than after.
func (c *cron) within(y int, m time.Month, d int, after time.Time, zone *time.Location) (first time.Time) {
	for hour := range 24 {
		for minute := range 60 {
			if !c.hours[hour] || !c.minutes[minute] {
				continue
			}
			t := time.Date(y, m, d, hour, minute, 0, 0, zone)
			if t.After(after) && (first.IsZero() || t.Before(first)) {
				first = t
			}
		}
	}
	return first
}

func monthDays(y int, m time.Month) int { return time.Date(y, m+1, 0, 0, 0, 0, 0, time.UTC).Day() }

func (c *cron) allowsDay(y int, m time.Month, d int) bool {
	weekday := int(time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday()) + 1
	switch {
	case c.lastDay:
		return d == monthDays(y, m)
	case c.workday > 0:
		return d == nearestWorkday(y, m, min(c.workday, monthDays(y, m)))
	case c.lastWeekday > 0:
		return weekday == c.lastWeekday && d+7 > monthDays(y, m)
	case c.nth[0] > 0:
		return weekday == c.nth[0] && (d+6)/7 == c.nth[1]
	case c.either:
		return c.days[d] || c.weekdays[weekday]
	case c.byWeekday:
		return c.weekdays[weekday]
	}
	return c.days[d]
}

// nearestWorkday returns the day from Monday to Friday that is nearest to a day, in the same month.
func nearestWorkday(y int, m time.Month, d int) int {
	switch time.Date(y, m, d, 0, 0, 0, 0, time.UTC).Weekday() {
	case time.Saturday:
		if d > 1 {
			return d - 1
		}
		return d + 2
	case time.Sunday:
		if d < monthDays(y, m) {
			return d + 1
		}
		return d - 2
	}
	return d
}

// Scheduled is what a scheduled action sets. A field that is nil does not change.
type Scheduled struct{ Min, Max *int }

// Apply returns the new bounds, and the capacity moved to the nearest one within them (ecs.md
// 6.13). Cooldowns are not considered (ecs.md 6.8). A minimum above the maximum takes that with it, and a maximum below
// the minimum does so too: the other one may have been changed since the action was made.
func (s Scheduled) Apply(b Bounds, current int) (Bounds, int) {
	if s.Min != nil {
		b.Min, b.Max = *s.Min, max(b.Max, *s.Min)
	}
	if s.Max != nil {
		b.Max, b.Min = *s.Max, min(b.Min, *s.Max)
	}
	return b, b.Clip(current)
}
