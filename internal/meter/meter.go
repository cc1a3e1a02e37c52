// Package meter stores metrics, that is, CloudWatch's data points by namespace, name, dimensions and unit.
//
// A point is a summary of the values of one second or one minute: their number, sum, minimum and maximum, and
// a sketch of their distribution for percentiles. As in CloudWatch, points lose detail with age (ecs.md 7.2):
// they have one second for three hours, one minute for 15 days, five minutes for 63 days, and one hour for
// 455 days. Points older than three hours may be rounded to six significant digits if they would otherwise
// take more than four bytes a number.
//
// Put stores points in memory, and Tick writes them to the disk. If Tick is called every minute, a crash
// loses at most the points of the last minute. Memory is limited by the number of metrics (Limits.Metrics),
// and has the points of the last hours. The disk is limited by the ages above and by Limits.Bytes; when that
// is reached, the oldest day is deleted. All methods are safe for concurrent use. The package starts no
// goroutine and reads no clock.
package meter

import (
	"cmp"
	"encoding/binary"
	"fmt"
	"slices"
	"time"
)

// Dimension is a name and a value that distinguish a metric from others with its name.
type Dimension struct{ Name, Value string }

// Metric identifies a metric (ecs.md 7.1). The order of the dimensions does not matter. With one dimension
// more it is another metric.
type Metric struct {
	Scope           string // the owner; see Scope
	Namespace, Name string
	Dimensions      []Dimension
}

// Scope returns the scope of an account's metrics in a region.
func Scope(account, region string) string { return account + "/" + region }

// OfSeconds returns the namespace with the points of a second for a namespace of which alarm.HasSeconds is true. The
// points of a minute are in the given namespace. There are points of a second only for services and groups that are
// scaled at the pace of seconds (docs/scaling.md).
func OfSeconds(namespace string) string { return "Berth/Seconds/" + namespace }

// Datum is a summary of the values measured at one time.
type Datum struct {
	Metric  Metric
	Unit    string // points of different units are stored separately (ecs.md 7.3)
	At      time.Time
	Second  bool // stored by the second instead of the minute: StorageResolution 1
	Summary Summary
}

// Units are CloudWatch's units.
var Units = []string{
	"Seconds", "Microseconds", "Milliseconds", "Bytes", "Kilobytes", "Megabytes", "Gigabytes", "Terabytes", "Bits",
	"Kilobits", "Megabits", "Gigabits", "Terabits", "Percent", "Count", "Bytes/Second", "Kilobytes/Second",
	"Megabytes/Second", "Gigabytes/Second", "Terabytes/Second", "Bits/Second", "Kilobits/Second", "Megabits/Second",
	"Gigabits/Second", "Terabits/Second", "Count/Second", "None",
}

// Series is a metric in one unit.
type Series struct {
	Metric Metric
	Unit   string
	Last   time.Time // when the newest point begins
}

// Bucket is the summary of a period.
type Bucket struct {
	Start   time.Time
	Summary Summary
}

// point is a bucket of one second or more; at is its start in seconds since 1970.
type point struct {
	at int64
	Summary
}

// Lengths of time in seconds; the ages are those of ecs.md 7.2.
const (
	minute = 60
	hour   = 3600
	day    = 24 * hour
)

// seconds is the minimum time for which points are stored by the second.
const seconds = 3 * hour

// tier is the resolution of points up to an age.
type tier struct{ resolution, age int64 }

var ladder = []tier{{minute, 15 * day}, {5 * minute, 63 * day}, {hour, 455 * day}}

// resolutionAt returns the resolution of the points of a day that ended the given number of seconds ago, or 0
// if they are deleted.
func resolutionAt(age int64) int64 {
	for _, t := range ladder {
		if age < t.age {
			return t.resolution
		}
	}
	return 0
}

// key returns a metric and its unit as bytes, which are equal if and only if both are. parseKey reads them.
func key(m Metric, unit string) string {
	dims := m.Dimensions
	if !slices.IsSortedFunc(dims, compareDimensions) {
		dims = slices.SortedFunc(slices.Values(dims), compareDimensions)
	}
	b := make([]byte, 0, 128)
	for _, s := range []string{m.Scope, m.Namespace, m.Name, unit} {
		b = appendString(b, s)
	}
	b = binary.AppendUvarint(b, uint64(len(dims)))
	for _, d := range dims {
		b = appendString(appendString(b, d.Name), d.Value)
	}
	return string(b)
}

func compareDimensions(a, b Dimension) int {
	return cmp.Or(cmp.Compare(a.Name, b.Name), cmp.Compare(a.Value, b.Value))
}

func appendString(b []byte, s string) []byte {
	return append(binary.AppendUvarint(b, uint64(len(s))), s...)
}

func parseKey(b []byte) (m Metric, unit string, err error) {
	r := reader{b: b}
	m.Scope, m.Namespace = string(r.bytes()), string(r.bytes())
	m.Name, unit = string(r.bytes()), string(r.bytes())
	n := r.uvarint()
	if n > uint64(len(r.b)) {
		return m, "", errShort
	}
	for range n {
		m.Dimensions = append(m.Dimensions, Dimension{string(r.bytes()), string(r.bytes())})
	}
	if r.err == nil && len(r.b) > 0 {
		r.err = fmt.Errorf("%d bytes follow a metric", len(r.b))
	}
	return m, unit, r.err
}

// truncate returns the start of the period that a time is in.
func truncate(at, period int64) int64 {
	rest := at % period
	if rest < 0 {
		rest += period
	}
	return at - rest
}

// gather sorts points and joins those in the same period.
func gather(points []point, period int64) []point {
	for i := range points {
		points[i].at = truncate(points[i].at, period)
	}
	slices.SortStableFunc(points, func(a, b point) int { return cmp.Compare(a.at, b.at) })
	kept := points[:0]
	for _, p := range points {
		if n := len(kept); n > 0 && kept[n-1].at == p.at {
			kept[n-1].Summary = kept[n-1].Add(p.Summary)
		} else {
			kept = append(kept, p)
		}
	}
	return kept
}
