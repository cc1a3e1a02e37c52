package logs

import (
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/logs"
)

// absentOperations list what cannot exist here: filters, destinations, exports, policies and queries.
func absentOperations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Nothing[shape.DescribeMetricFiltersInput, shape.DescribeMetricFiltersOutput]("DescribeMetricFilters"),
		awswire.Nothing[shape.DescribeSubscriptionFiltersInput, shape.DescribeSubscriptionFiltersOutput]("DescribeSubscriptionFilters"),
		awswire.Nothing[shape.DescribeDestinationsInput, shape.DescribeDestinationsOutput]("DescribeDestinations"),
		awswire.Nothing[shape.DescribeExportTasksInput, shape.DescribeExportTasksOutput]("DescribeExportTasks"),
		awswire.Nothing[shape.DescribeResourcePoliciesInput, shape.DescribeResourcePoliciesOutput]("DescribeResourcePolicies"),
		awswire.Nothing[shape.DescribeQueryDefinitionsInput, shape.DescribeQueryDefinitionsOutput]("DescribeQueryDefinitions"),
		awswire.Nothing[shape.DescribeQueriesInput, shape.DescribeQueriesOutput]("DescribeQueries"),
	}
}
