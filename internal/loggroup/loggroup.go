// Package loggroup has the rows of Amazon CloudWatch Logs: log groups, log streams and metric filters, with the rules
// of their names. It does no I/O and reads no clock.
//
// Package logstore stores the events, by the ids of these rows. A group or stream that is deleted and created again
// with the same name has another id, so it has no events.
package loggroup

import (
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/tag"
)

// Group is a log group: streams with the same retention.
type Group struct {
	// arn:aws:logs:REGION:ACCOUNT:log-group:NAME, without the ":*" that some answers have; the primary key
	ARN           string
	Name          string
	ID            string // names the group's events in logstore
	CreatedAt     time.Time
	RetentionDays int     `json:",omitempty"` // 0: events are not deleted because of their age
	KMSKeyID      string  `json:",omitempty"` // stored and returned
	Class         string  `json:",omitempty"` // STANDARD when empty; stored and returned
	Tags          tag.Set `json:",omitempty"`
}

// Stream is a sequence of events from one source.
type Stream struct {
	ARN       string // GROUP:log-stream:NAME, the primary key
	GroupARN  string
	Name      string
	ID        string // names the stream's events in logstore
	CreatedAt time.Time
}

// GroupARN returns the ARN of a group.
func GroupARN(region, account, name string) string {
	return arn.New("logs", region, account, "log-group:"+name).String()
}

// StreamARN returns the ARN of a stream of a group.
func StreamARN(groupARN, name string) string { return groupARN + ":log-stream:" + name }

// NameOf returns the name of a group. The argument is the name, the ARN, or the ARN with ":*".
func NameOf(nameOrARN string) string {
	if !arn.Is(nameOrARN) {
		return nameOrARN
	}
	a, err := arn.Parse(nameOrARN)
	if err != nil {
		return nameOrARN
	}
	return strings.TrimSuffix(strings.TrimPrefix(a.Resource, "log-group:"), ":*")
}

// Expires returns the time before which events of the group are deleted, or the zero time if none are.
func (g *Group) Expires(now time.Time) time.Time {
	if g.RetentionDays == 0 {
		return time.Time{}
	}
	return now.AddDate(0, 0, -g.RetentionDays)
}

var groupName = regexp.MustCompile(`^[.\-_/#A-Za-z0-9]+$`)

// ValidateGroupName returns nil or the service's InvalidParameterException.
func ValidateGroupName(s string) error {
	if len(s) < 1 || len(s) > 512 || !groupName.MatchString(s) {
		return invalid("logGroupName", s, `[\.\-_/#A-Za-z0-9]+`, 512)
	}
	return nil
}

// ValidateStreamName returns nil or the service's InvalidParameterException.
func ValidateStreamName(s string) error {
	if len(s) < 1 || len(s) > 512 || strings.ContainsAny(s, ":*") {
		return invalid("logStreamName", s, `[^:*]*`, 512)
	}
	return nil
}

func invalid(member, value, pattern string, max int) error {
	return fault.Unsatisfied("InvalidParameterException", value, member,
		"Member must satisfy regular expression pattern: %s and have length between 1 and %d", pattern, max)
}

// retentions are the values in days that PutRetentionPolicy accepts.
var retentions = []int{
	1, 3, 5, 7, 14, 30, 60, 90, 120, 150, 180, 365, 400, 545, 731, 1096, 1827, 2192, 2557, 2922, 3288, 3653,
}

// ValidateRetention returns nil or the service's InvalidParameterException.
func ValidateRetention(days int) error {
	if !slices.Contains(retentions, days) {
		return fault.Unsatisfied("InvalidParameterException", days, "retentionInDays",
			"Member must satisfy enum value set: %v", retentions)
	}
	return nil
}

// GroupNotFound is the service's error for a group name that does not exist.
func GroupNotFound() *fault.Error {
	return notFound("The specified log group does not exist.")
}

// StreamNotFound is the service's error for a stream name that does not exist in its group.
func StreamNotFound() *fault.Error {
	return notFound("The specified log stream does not exist.")
}

func notFound(message string) *fault.Error {
	return fault.New("ResourceNotFoundException", "%s", message)
}
