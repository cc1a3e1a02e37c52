package cloudwatch

import (
	"context"
	"fmt"
	"strings"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/cloudwatch"
	"github.com/berthhq/berth/internal/dashboard"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/state"
)

// dashboards returns the actions on dashboards.
func (a *api) dashboards() []awswire.Operation {
	return []awswire.Operation{
		awswire.Op("PutDashboard", a.putDashboard).Refuses("Tags"),
		awswire.Op("GetDashboard", a.getDashboard),
		awswire.Op("ListDashboards", a.listDashboards),
		awswire.Op("DeleteDashboards", a.deleteDashboards),
	}
}

// dashboardARN returns the ARN of the dashboard with a name.
func dashboardARN(call *awswire.Call, name string) (string, error) {
	if !dashboard.ValidName(name) {
		return "", invalid("The value %q for field DashboardName contains invalid characters. It can only contain "+
			"alphanumerics, dash (-) and underscore (_), and has 1 to 255 of them.", name)
	}
	return dashboard.ARN(call.Account, name), nil
}

func (a *api) putDashboard(
	ctx context.Context, call *awswire.Call, in *shape.PutDashboardInput,
) (*shape.PutDashboardOutput, error) {
	key, err := dashboardARN(call, *in.DashboardName)
	if err != nil {
		return nil, err
	}
	if wrong := dashboard.Validate(*in.DashboardBody); wrong != nil {
		return nil, invalidDashboard(wrong)
	}
	row := &dashboard.Dashboard{ARN: key, Name: *in.DashboardName, Body: *in.DashboardBody, UpdatedAt: call.Now}
	err = a.store.Update(ctx, func(tx *state.Tx) error {
		if _, ok := tx.Dashboards.Get(key); !ok && tx.Dashboards.Len() >= dashboard.Max {
			return fault.New(shape.CodeLimitExceededFault, "Berth keeps %d dashboards, and there are as many.",
				dashboard.Max)
		}
		tx.Dashboards.Put(row)
		return nil
	})
	return &shape.PutDashboardOutput{}, err
}

// invalidDashboard returns AWS's error for a body, with each fault that it has.
func invalidDashboard(wrong []dashboard.Message) error {
	var list []string
	var details []map[string]string
	for _, m := range wrong {
		list = append(list, fmt.Sprintf("{ \"dataPath\": %q, \"message\": %q }", m.Path, m.Text))
		details = append(details, map[string]string{"DataPath": m.Path, "Message": m.Text})
	}
	return fault.New(shape.CodeDashboardInvalidInputError, "The dashboard body is invalid, there are %d validation "+
		"errors: [ %s ]", len(wrong), strings.Join(list, ", ")).WithDetail("dashboardValidationMessages", details)
}

func noDashboard(names ...string) error {
	return fault.New(shape.CodeDashboardNotFoundError, "Dashboard %s does not exist", strings.Join(names, ", "))
}

func (a *api) getDashboard(
	_ context.Context, call *awswire.Call, in *shape.GetDashboardInput,
) (*shape.GetDashboardOutput, error) {
	key, err := dashboardARN(call, *in.DashboardName)
	if err != nil {
		return nil, err
	}
	row, ok := a.store.View().Dashboards.Get(key)
	if !ok {
		return nil, noDashboard(*in.DashboardName)
	}
	return &shape.GetDashboardOutput{DashboardArn: &row.ARN, DashboardName: &row.Name, DashboardBody: &row.Body}, nil
}

// dashboardPages are those of ListDashboards, whose callers cannot ask for a size.
var dashboardPages = request.Pages{Default: 1000, Least: 1000, Most: 1000}

func (a *api) listDashboards(
	_ context.Context, call *awswire.Call, in *shape.ListDashboardsInput,
) (*shape.ListDashboardsOutput, error) {
	prefix := request.Value(in.DashboardNamePrefix)
	found, next, err := request.Cut(call, dashboardPages.Ask(nil, in.NextToken),
		a.store.View().Dashboards.Prefix(dashboard.ARN(call.Account, prefix)),
		func(d *dashboard.Dashboard) string { return d.ARN }, prefix)
	return &shape.ListDashboardsOutput{NextToken: next, DashboardEntries: request.Answers(found,
		func(d *dashboard.Dashboard) shape.DashboardEntry {
			return shape.DashboardEntry{DashboardArn: &d.ARN, DashboardName: &d.Name, LastModified: &d.UpdatedAt,
				Size: new(int64(len(d.Body)))}
		})}, err
}

func (a *api) deleteDashboards(
	ctx context.Context, call *awswire.Call, in *shape.DeleteDashboardsInput,
) (*shape.DeleteDashboardsOutput, error) {
	if len(in.DashboardNames) == 0 {
		return nil, invalid("The collection DashboardNames must not be empty.")
	}
	var keys []string
	for _, name := range in.DashboardNames {
		key, err := dashboardARN(call, name)
		if err != nil {
			return nil, err
		}
		keys = append(keys, key)
	}
	return &shape.DeleteDashboardsOutput{}, a.store.Update(ctx, func(tx *state.Tx) error {
		var missing []string
		for i, key := range keys {
			if _, ok := tx.Dashboards.Get(key); !ok {
				missing = append(missing, in.DashboardNames[i])
			}
		}
		if missing != nil { // nothing is deleted then
			return noDashboard(missing...)
		}
		for _, key := range keys {
			tx.Dashboards.Delete(key)
		}
		return nil
	})
}
