// Package loggroup holds Amazon CloudWatch Logs' nouns: log groups and log streams, with the rules of their names.
//
// Values only: no I/O and no clock. Events are not here; package logstore keeps them under the ids
// these rows carry, so that a group or stream that is deleted and made again under its old name
// starts empty.
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

// Group is a named set of streams that share a retention.
type Group struct {
	// arn:aws:logs:REGION:ACCOUNT:log-group:NAME, without the ":*" that some answers carry; the
	// primary key
	ARN           string
	Name          string
	ID            string // names the group's events in logstore
	CreatedAt     time.Time
	RetentionDays int     `json:",omitempty"` // 0 keeps events until space runs out
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

// GroupARN is the ARN of the group of that name.
func GroupARN(region, account, name string) string {
	return arn.New("logs", region, account, "log-group:"+name).String()
}

// StreamARN is the ARN of a stream of a group.
func StreamARN(groupARN, name string) string { return groupARN + ":log-stream:" + name }

// NameOf takes a group's name, its ARN, or its ARN with ":*", and returns the name.
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

// Expires returns the time before which the group's events are not kept, or the zero time if they are never deleted.
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

// retentions are the values PutRetentionPolicy takes, in days.
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
