package appscaling

import (
	"slices"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/awswire/shape/appscaling"
)

// The recipe of ecs.md 6.15: a queue's backlog for each running task.
const backlog = `{"TargetValue":100,"CustomizedMetricSpecification":{"Metrics":[` + backlogQueries + `]}}`

const backlogQueries = `{"Id":"m1","Label":"queue","MetricStat":{"Metric":{"Dimensions":[{"Name":"QueueName",` +
	`"Value":"jobs"}],"MetricName":"Visible","Namespace":"App"},"Stat":"Sum","Unit":"Count"},"ReturnData":false},` +
	`{"Id":"m2","MetricStat":{"Metric":{"Dimensions":[],"MetricName":"RunningTaskCount",` +
	`"Namespace":"ECS/ContainerInsights"},"Stat":"p50"},"ReturnData":false},` +
	`{"Expression":"m1 / m2","Id":"e1","Label":"backlog","ReturnData":true}`

// ecs.md 6.15: a policy can track the result of metric math. Its alarms have the same metrics and expressions, with the
// period of a minute (6.5). Two policies cannot have the same.
func TestMetricMath(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	d := a.desk(t)
	post := func(action, input string) string {
		return d.Post(t, "application-autoscaling", "AnyScaleFrontendService."+action, input)
	}
	put := func(name string) string {
		return post("PutScalingPolicy", `{"ServiceNamespace":"ecs","ResourceId":"`+chat+`","ScalableDimension":"`+
			dimension+`","PolicyType":"TargetTrackingScaling","PolicyName":"`+name+
			`","TargetTrackingScalingPolicyConfiguration":`+backlog+`}`)
	}
	if got := put("backlog"); !strings.Contains(got, "-AlarmLow-") {
		t.Fatal(got)
	}
	got := post("DescribeScalingPolicies", `{"ServiceNamespace":"ecs"}`)
	described := strings.Replace(backlogQueries,
		`"Expression":"m1 / m2","Id":"e1"`, `"Id":"e1","Expression":"m1 / m2"`, 1)
	if !strings.Contains(got, `"CustomizedMetricSpecification":{"Metrics":[`+described+`]}`) {
		t.Errorf("%s\nwant %s", got, described)
	}
	got = d.JSON(t, "cloudwatch describe-alarms --query "+
		"MetricAlarms[].[Metrics,Threshold,EvaluationPeriods,MetricName]")
	queries := strings.NewReplacer(`"Stat":"Sum"`, `"Period":60,"Stat":"Sum"`, `"Stat":"p50"`,
		`"Period":60,"Stat":"p50"`).Replace("[" + backlogQueries + "]")
	if want := "[[" + queries + ",100,3,null],[" + queries + ",90,15,null]]"; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
	got = put("again")
	if want := "ValidationException: Only one TargetTrackingScaling policy for a given metric specification is " +
		"allowed."; got != want {
		t.Errorf("%s\nwant %s", got, want)
	}
}

// Metric math that the alarms of the policy could never evaluate is refused.
func TestMetricMathRefuses(t *testing.T) {
	a := newAPI(t)
	a.register(t, chat)
	type queries = []appscaling.TargetTrackingMetricDataQuery
	m1 := func() appscaling.TargetTrackingMetricDataQuery {
		return appscaling.TargetTrackingMetricDataQuery{Id: new("m1"), ReturnData: new(false),
			MetricStat: &appscaling.TargetTrackingMetricStat{Stat: new("Sum"),
				Metric: &appscaling.TargetTrackingMetric{Namespace: new("App"), MetricName: new("m")}}}
	}
	calc := func(expression string) appscaling.TargetTrackingMetricDataQuery {
		return appscaling.TargetTrackingMetricDataQuery{Id: new("e1"), Expression: &expression}
	}
	with := func(all ...appscaling.TargetTrackingMetricDataQuery) func(*policyIn) {
		return custom(func(c *customIn) { *c = customIn{Metrics: all} })
	}
	wrong := func(change func(*appscaling.TargetTrackingMetricDataQuery)) func(*policyIn) {
		q := m1()
		change(&q)
		return with(q, calc("m1"))
	}
	type query = appscaling.TargetTrackingMetricDataQuery
	const v = "ValidationException: "
	for want, edit := range map[string]func(*policyIn){
		"The metric math is invalid: Exactly one element of the metrics list should return data.": with(m1()),
		"Exactly one element of the metrics list should return dat": with(calc("m1"),
			func() query { q := m1(); q.ReturnData = nil; return q }()),
		"size greater than 10":                           with(slices.Repeat(queries{m1()}, 11)...),
		"at least one element":                           with(queries{}...),
		"id in Metrics are not unique":                   with(m1(), m1(), calc("m1")),
		"there is no metric or expression":               with(calc("m2 * 2"), m1()),
		"SEARCH cannot be used":                          with(calc(`SUM(SEARCH('m', 'Sum', 60))`)),
		"needs a single time series":                     with(calc("[m1, m1]"), m1()),
		`The Id "M1" in Metrics is invalid`:              wrong(func(q *query) { q.Id = new("M1") }),
		"needs either MetricStat or Expression":          wrong(func(q *query) { q.Expression = new("1") }),
		"element m1 of Metrics is invalid: a metric nee": wrong(func(q *query) { q.MetricStat.Metric.Namespace = nil }),
		`the Unit "Furlongs" is not one of CloudWatch`:   wrong(func(q *query) { q.MetricStat.Unit = new("Furlongs") }),
		"Error in expression 'm1'":                       wrong(func(q *query) { q.MetricStat.Stat = new("Middle") }),
		"has either Metrics or MetricName, Namespace, D": custom(func(c *customIn) { c.Metrics = queries{m1()} }),
	} {
		_, err := a.putPolicy(t, "p", edit)
		if err == nil || !strings.HasPrefix(err.Error(), v) || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, want %s%s", err, v, want)
		}
	}
	if n := a.store.View().Alarms.Len(); n != 0 {
		t.Errorf("%d alarms of policies that were refused", n)
	}
}
