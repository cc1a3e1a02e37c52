package loggroup

import (
	"errors"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/fault"
)

// A refusal has the code and the form of CloudWatch Logs, and names the member.
func TestRefusals(t *testing.T) {
	for name, err := range map[string]error{
		"logGroupName":    ValidateGroupName("a b"),
		"logStreamName":   ValidateStreamName("a:b"),
		"retentionInDays": ValidateRetention(2),
	} {
		if !errors.Is(err, fault.New("InvalidParameterException", "")) ||
			!strings.Contains(err.Error(), "1 validation error detected") || !strings.Contains(err.Error(),
			"'"+name+"'") {
			t.Errorf("%s: %v", name, err)
		}
	}
	for _, err := range []error{GroupNotFound(), StreamNotFound()} {
		if !errors.Is(err, fault.New("ResourceNotFoundException", "")) {
			t.Error(err)
		}
	}
	for n, ok := range map[int]bool{0: false, 1: true, 512: true, 513: false} {
		if (ValidateGroupName(strings.Repeat("g", n)) == nil) != ok || (ValidateStreamName(strings.Repeat("s",
			n)) == nil) != ok {
			t.Errorf("a name of %d characters is valid: %v", n, !ok)
		}
	}
}

// Every retention that is allowed is in days, and what expires is older than it.
func TestRetentions(t *testing.T) {
	now := time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)
	last := 0
	for _, days := range retentions {
		if days <= last || ValidateRetention(days) != nil || ValidateRetention(days+1) == nil && days != 3652 &&
			days > 1 {
			t.Errorf("%d days after %d", days, last)
		}
		last = days
		got, want := (&Group{RetentionDays: days}).Expires(now), now.Add(-time.Duration(days)*24*time.Hour)
		if !got.Equal(want) {
			t.Errorf("of %d days, what is older than %v expires", days, got)
		}
	}
}

// A name is found again in its ARN, in either of the forms that answers have.
func TestNamesRoundTrip(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		name := rapid.StringMatching(`[.\-_/#A-Za-z0-9]{1,40}`).Draw(rt, "name")
		if err := ValidateGroupName(name); err != nil {
			rt.Fatal(err)
		}
		group := GroupARN("us-east-1", "123456789012", name)
		if NameOf(group) != name || NameOf(group+":*") != name || NameOf(name) != name {
			rt.Fatalf("the name in %s is %s", group, NameOf(group))
		}
		if stream := StreamARN(group, "a/b"); !strings.HasPrefix(stream, group) || !strings.HasSuffix(stream,
			":log-stream:a/b") {
			rt.Fatal(stream)
		}
	})
}
