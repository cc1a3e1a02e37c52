package scaling

import (
	"strings"
	"testing"
	"time"
)

// Cron expressions of five fields, as EC2 Auto Scaling has them. 2026-11-29 is a Sunday.
func TestUnixCron(t *testing.T) {
	paris, err := time.LoadLocation("Europe/Paris")
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ text, after, want string }{
		{"0 8 * * *", "2026-11-29T08:00", "2026-11-30T08:00"},
		{"30 8 * * MON-FRI", "2026-11-27T08:30", "2026-11-30T08:30"},
		{"0 0 * * 0", "2026-11-23T00:00", "2026-11-29T00:00"},
		{"0 0 * * 7", "2026-11-23T00:00", "2026-11-29T00:00"},
		{"0 0 * * 1,3", "2026-11-29T00:00", "2026-11-30T00:00"},
		{"*/15 * * * *", "2026-11-29T08:59", "2026-11-29T09:00"},
		{"0 0 13 * *", "2026-11-29T00:00", "2026-12-13T00:00"},
		{"0 0 13 * 5", "2026-11-29T00:00", "2026-12-04T00:00"}, // a Friday or a 13th
		{"0 0 13 * FRI", "2026-12-11T00:00", "2026-12-13T00:00"},
		{"0 0 1 JAN,6 *", "2026-11-29T00:00", "2027-01-01T00:00"},
		{"0 0 31 2 *", "2026-11-29T00:00", ""},
		{"30 2 29 3 *", "2026-03-28T00:00", "2026-03-29T03:30"}, // 02:30 does not exist on that day
	} {
		s, err := ParseUnixCron(c.text, paris)
		if err != nil {
			t.Error(err)
			continue
		}
		after, _ := time.ParseInLocation("2006-01-02T15:04", c.after, paris)
		got := ""
		if next := s.Next(after, time.Time{}); !next.IsZero() {
			got = next.In(paris).Format("2006-01-02T15:04")
		}
		if got != c.want {
			t.Errorf("%s after %s: %q, want %q", c.text, c.after, got, c.want)
		}
	}
	for text, want := range map[string]string{
		"": "five fields", "0 8 * * ? *": "five fields", "60 * * * *": "0 to 59", "* * 0 * *": "1 to 31",
		"* * * * 8": "0 to 7", "* * * * ?": "0 to 7", "* * L * *": "1 to 31",
	} {
		if _, err := ParseUnixCron(text, paris); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v", text, err)
		}
	}
}
