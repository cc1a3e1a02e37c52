package scaling

import (
	"strings"
	"testing"
	"time"
	_ "time/tzdata"
)

// ecs.md 6.13. Times are in the zone of Paris, which has summer time.
func TestSchedules(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ schedule, after, want string }{
		{"at(2026-11-30T08:00:00)", "2026-11-29T08:00:00", "2026-11-30T08:00:00"},
		{"at(2026-11-30T08:00:00)", "2026-11-30T08:00:00", ""},
		{"rate(5 minutes)", "2026-11-29T08:01:00", "2026-11-29T08:05:00"},
		{"rate(1 day)", "2026-11-29T00:00:00", "2026-11-30T00:00:00"},
		{"cron(0 8 ? * MON-FRI *)", "2026-11-29T08:00:00", "2026-11-30T08:00:00"},
		{"cron(0 8 ? * 2-6 *)", "2026-12-04T08:00:00", "2026-12-07T08:00:00"},
		{"cron(*/15 * * * ? *)", "2026-11-29T08:59:00", "2026-11-29T09:00:00"},
		{"cron(10/20 8 * * ? *)", "2026-11-29T08:10:00", "2026-11-29T08:30:00"},
		{"cron(0 0 L * ? *)", "2026-02-01T00:00:00", "2026-02-28T00:00:00"},
		{"cron(0 0 15W * ? *)", "2026-11-01T00:00:00", "2026-11-16T00:00:00"},  // the 15th is a Sunday
		{"cron(0 0 1W AUG ? *)", "2026-01-01T00:00:00", "2026-08-03T00:00:00"}, // the 1st is a Saturday
		{"cron(0 0 31W 2 ? *)", "2026-02-01T00:00:00", "2026-02-27T00:00:00"},  // the last day is a Saturday
		{"cron(0 0 ? * 6L *)", "2026-11-01T00:00:00", "2026-11-27T00:00:00"},
		{"cron(0 0 ? * 3#2 *)", "2026-11-01T00:00:00", "2026-11-10T00:00:00"},
		{"cron(0 0 29 2 ? *)", "2026-01-01T00:00:00", "2028-02-29T00:00:00"},
		{"cron(0 0 31 2 ? *)", "2026-01-01T00:00:00", ""},
		{"cron(0 0 1 1 ? 2025)", "2026-01-01T00:00:00", ""},
		{"cron(30 2 29 3 ? 2026)", "2026-03-28T00:00:00", "2026-03-29T03:30:00"}, // 02:30 does not exist on that day
		{"cron(30 2 25 10 ? 2026)", "2026-10-25T00:00:00", "2026-10-25T02:30:00"},
	} {
		s, err := ParseSchedule(c.schedule, paris)
		if err != nil {
			t.Error(err)
			continue
		}
		after, _ := time.ParseInLocation("2006-01-02T15:04:05", c.after, paris)
		start, _ := time.ParseInLocation("2006-01-02T15:04:05", "2026-11-29T00:00:00", paris)
		got := ""
		if next := s.Next(after, start); !next.IsZero() {
			got = next.In(paris).Format("2006-01-02T15:04:05")
		}
		if got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.schedule, c.after, got, c.want)
		}
	}
	for text, want := range map[string]string{
		"": "is not a schedule", "cron(0 8 * * * *)": "exactly one", "cron(0 8 ? * ? *)": "exactly one",
		"cron(0 8 * * ?)":    "six fields",
		"cron(60 8 * * ? *)": "0 to 59", "cron(0 8 ? * MON-FRY *)": "1 to 7", "cron(5-1 8 * * ? *)": "ends before",
		"rate(0 minutes)": "from 1 to", "rate(1 minutes)": "unit of a rate", "rate(2 minute)": "unit of a rate",
		"at(tomorrow)":  "parsing",
		"rate(9 weeks)": "unit", "cron(*/0 * * * ? *)": "1 to 59", "every(5 minutes)": "a schedule is at",
	} {
		if _, err := ParseSchedule(text, paris); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func FuzzSchedule(f *testing.F) {
	for _, s := range []string{"cron(0 8 ? * MON-FRI *)", "rate(5 minutes)", "at(2026-11-30T08:00:00)",
		"cron(0 0 1W,L/3 AUG ? 2030)"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, text string) {
		if s, err := ParseSchedule(text, time.UTC); err == nil {
			if next := s.Next(at0, at0); !next.IsZero() && !next.After(at0) {
				t.Errorf("%v", next)
			}
		}
	})
}

func TestScheduled(t *testing.T) {
	five := 5
	for _, c := range []struct {
		s              Scheduled
		current        int
		min, max, want int
	}{{Scheduled{Min: &five}, 3, 5, 8, 5}, {Scheduled{Max: &five}, 7, 1, 5, 5}, {Scheduled{}, 7, 1, 8, 7},
		{Scheduled{Min: new(20)}, 7, 20, 20, 20}, {Scheduled{Max: new(0)}, 7, 0, 0, 0},
		{Scheduled{Min: new(20), Max: new(30)}, 7, 20, 30, 20}} {
		if b, n := c.s.Apply(Bounds{1, 8}, c.current); b != (Bounds{c.min, c.max}) || n != c.want {
			t.Errorf("%+v: %+v, %d", c, b, n)
		}
	}
}
