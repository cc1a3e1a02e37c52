// Package dashboard has what CloudWatch keeps of dashboards: their names and bodies, and the rules of both. Nobody
// draws them here; they are stored and given back.
package dashboard

import (
	"regexp"
	"time"

	"github.com/berthhq/berth/internal/arn"
)

const (
	// Max is how many dashboards there may be. AWS has no limit.
	Max = 5000
	// MaxWidgets is how many widgets a dashboard has at most, as on AWS.
	MaxWidgets = 500
)

// Dashboard is a JSON document with a name. It belongs to an account and not to a region, as on AWS.
type Dashboard struct {
	ARN       string
	Name      string
	Body      string
	UpdatedAt time.Time
}

// Prefix returns the prefix of the ARNs of an account's dashboards; the name follows.
func Prefix(account string) string { return arn.New("cloudwatch", "", account, "dashboard/").String() }

// ARN returns the ARN of a dashboard.
func ARN(account, name string) string { return Prefix(account) + name }

var name = regexp.MustCompile(`^[A-Za-z0-9_-]{1,255}$`)

// ValidName reports whether a text can be the name of a dashboard.
func ValidName(s string) bool { return name.MatchString(s) }
