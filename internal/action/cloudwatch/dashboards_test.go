package cloudwatch

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/meter"
)

// Dashboards are stored and given back as they were written, and belong to an account and not to a region.
func TestDashboards(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	d := desktest.New(t, Service(a.store, a.points))
	put := []string{"cloudwatch", "put-dashboard", "--dashboard-name", "chat", "--dashboard-body",
		`{"widgets": [{"type":"text","properties":{"markdown":"é <b>"}}]}`}
	if got := d.JSON(t, put...); got != `{"DashboardValidationMessages":[]}` {
		t.Error(got)
	}
	d.JSON(t, put...) // again: it is replaced
	other := d.With("AWS_DEFAULT_REGION=eu-west-2", "AWS_REGION=eu-west-2")
	if got := other.JSON(t, "cloudwatch get-dashboard --dashboard-name chat"); got != `{"DashboardArn":"arn:aws:`+
		`cloudwatch::123456789012:dashboard/chat","DashboardBody":"{\"widgets\": [{\"type\":\"text\",\"properties\":`+
		`{\"markdown\":\"é \u003cb\u003e\"}}]}","DashboardName":"chat"}` {
		t.Error(got)
	}
	if got := d.JSON(t, "cloudwatch list-dashboards --dashboard-name-prefix ch --query "+
		"DashboardEntries[].[DashboardName,Size]"); got != `[["chat",65]]` {
		t.Error(got)
	}
	if got := d.JSON(t, "cloudwatch list-dashboards --dashboard-name-prefix x --query DashboardEntries"); got != "[]" {
		t.Error(got)
	}
	d.Refused(t, "(ResourceNotFound) when calling the DeleteDashboards operation: Dashboard none does not exist",
		"cloudwatch delete-dashboards --dashboard-names chat none")
	d.AWS(t, "cloudwatch delete-dashboards --dashboard-names chat")
	d.Refused(t, "Dashboard chat does not exist", "cloudwatch get-dashboard --dashboard-name chat")
}

// A body that is not a dashboard is refused with each of its faults, in JSON also as members.
func TestInvalidDashboards(t *testing.T) {
	a := newAPI(t, meter.Limits{})
	d := desktest.New(t, Service(a.store, a.points))
	d.Refused(t, `(InvalidParameterInput) when calling the PutDashboard operation: The dashboard body is invalid, `+
		`there `+
		`are 2 validation errors: [ { "dataPath": "/start", "message": "Should be string" }, { "dataPath": "/", `+
		`"message": `,
		"cloudwatch", "put-dashboard", "--dashboard-name", "a", "--dashboard-body", `{"start":1}`)
	d.Refused(t, "contains invalid characters", "cloudwatch", "put-dashboard", "--dashboard-name", "a b",
		"--dashboard-body", `{"widgets":[]}`)
	tagged := d.Post(t, "monitoring", "GraniteServiceVersion20100801.PutDashboard",
		"{'DashboardName':'a','DashboardBody':'{}','Tags':[{'Key':'a','Value':'b'}]}")
	if !strings.Contains(tagged, "Tags") {
		t.Error(tagged)
	}
	got := d.Post(t, "monitoring", "GraniteServiceVersion20100801.PutDashboard",
		"{'DashboardName':'a','DashboardBody':'{}'}")
	if !strings.HasPrefix(got, "DashboardInvalidInputError: The dashboard body is invalid") {
		t.Error(got)
	}
	if n := a.store.View().Dashboards.Len(); n != 0 {
		t.Errorf("%d dashboards", n)
	}
}
