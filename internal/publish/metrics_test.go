package publish

import (
	"context"
	"log/slog"
	"math"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/elb"
	"github.com/berthhq/berth/internal/meter"
	"github.com/berthhq/berth/internal/meter/feed"
	"github.com/berthhq/berth/internal/route"
	"github.com/berthhq/berth/internal/state"
)

const (
	lbARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:loadbalancer/app/web/0123456789abcdef"
	tgARN = "arn:aws:elasticloadbalancing:us-east-1:123456789012:targetgroup/web/fedcba9876543210"
)

// measured runs a publisher whose metrics are stored. It has one load balancer that forwards to one target
// group.
type measured struct {
	t      *testing.T
	store  *state.Store
	points *meter.Store
	edge   *Attachment
}

// inMinutes runs a test that starts at the beginning of a minute.
func inMinutes(t *testing.T, test func(*measured)) {
	synctest.Test(t, func(t *testing.T) {
		points, err := meter.Open(t.TempDir(), meter.Limits{}, slog.New(slog.DiscardHandler))
		if err != nil {
			t.Fatal(err)
		}
		defer points.Close(time.Now())
		m := &measured{t: t, store: open(t), points: points}
		defer m.store.Close()
		update(t, m.store, func(tx *state.Tx) {
			tx.LoadBalancers.Put(&elb.LoadBalancer{ARN: lbARN})
			tx.Listeners.Put(&elb.Listener{ARN: "listener", LoadBalancerARN: lbARN})
			tx.Rules.Put(&elb.Rule{ARN: "rule", ListenerARN: "listener", Actions: []elb.Action{{
				Type: "forward", Forward: &elb.Forward{TargetGroups: []elb.WeightedGroup{{ARN: tgARN, Weight: 1}}},
			}}})
			tx.TargetGroups.Put(&elb.TargetGroup{ARN: tgARN})
		})
		f := feed.New(points, time.Now, slog.New(slog.DiscardHandler))
		p := New(m.store, slog.New(slog.DiscardHandler))
		p.Measure(f)
		m.edge = p.Attach("a")
		ctx, cancel := context.WithCancel(t.Context())
		var running sync.WaitGroup
		running.Go(func() { p.Run(ctx) })
		running.Go(func() { f.Run(ctx) })
		defer running.Wait()
		defer cancel()
		synctest.Wait()
		test(m)
	})
}

// target registers a target with the given health.
func (m *measured) target(id, health string) {
	m.t.Helper()
	update(m.t, m.store, func(tx *state.Tx) {
		t := &elb.Target{TargetGroupARN: tgARN, ID: id, Port: 80, Registered: time.Unix(1, 0)}
		tx.Targets.Put(t)
		tx.TargetHealth.Put(&elb.TargetHealth{Verdict: elb.Verdict{Key: t.Key(), Registered: t.Registered,
			State: health}})
	})
}

// minute returns the point of a metric for the minute that has just ended, or a zero value if there is none.
// The point is that of the load balancer lb, of the target group, or of both, depending on which of them is
// not empty.
func (m *measured) minute(metric, unit, lb, group string) meter.Summary {
	m.t.Helper()
	of := meter.Metric{Scope: "123456789012/us-east-1", Namespace: "AWS/ApplicationELB", Name: metric}
	if lb != "" {
		of.Dimensions = append(of.Dimensions, meter.Dimension{Name: "LoadBalancer", Value: lb})
	}
	if group != "" {
		of.Dimensions = append(of.Dimensions, meter.Dimension{Name: "TargetGroup", Value: group})
	}
	end := time.Now().Truncate(time.Minute)
	b, err := m.points.Read(of, unit, end.Add(-time.Minute), end, time.Minute)
	if err != nil {
		m.t.Fatal(err)
	}
	if len(b) == 0 {
		return meter.Summary{}
	}
	return b[0].Summary
}

const lb, group = "app/web/0123456789abcdef", "targetgroup/web/fedcba9876543210"

func (m *measured) expect(what string, got, want meter.Summary) {
	m.t.Helper()
	if got.Count != want.Count || math.Abs(got.Sum-want.Sum) > 1e-9 || got.Min != want.Min || got.Max != want.Max {
		m.t.Errorf("%s is %+v, want %+v", what, got, want)
	}
}

// alb.md 9.4: every counter has its metric, by load balancer and, where the table says so, by target group.
func TestEveryCounterHasItsMetric(t *testing.T) {
	inMinutes(t, func(m *measured) {
		for _, id := range []string{"i-1", "i-2"} {
			m.target(id, elb.Healthy)
		}
		m.target("i-3", elb.Unhealthy)
		var all route.Counts
		for c := range all {
			all[c] = uint64(1000 + c)
		}
		for c := range len(route.ResponseBounds) + 1 {
			all[route.ResponsesWithin+route.Counter(c)] = 0
		}
		all[route.Responses], all[route.ResponseNanoseconds] = 3, uint64(1500*time.Millisecond)
		all[route.ResponsesWithin], all[route.ResponsesWithin+8] = 2, 1 // 5 ms, 2.5 s
		m.edge.Report(route.Report{Epoch: 1, Counts: []route.SubjectCounts{
			{Subject: route.Subject{LoadBalancerARN: lbARN}, Counts: all, Clients: 5, Targets: 2},
			{Subject: route.Subject{LoadBalancerARN: lbARN, TargetGroupARN: tgARN}, Counts: all},
			{Subject: route.Subject{LoadBalancerARN: lbARN, ListenerARN: "listener"}, Counts: all},
			{Subject: route.Subject{Target: elb.TargetKey(tgARN, "i-1", 80)}, Counts: all},
		}})
		time.Sleep(time.Minute)
		synctest.Wait()
		n := func(c route.Counter) float64 { return float64(all[c]) }
		for metric, want := range map[string]struct {
			n      float64
			groups bool
		}{
			"RequestCount":              {n(route.Requests), true},
			"HTTPCode_Target_2XX_Count": {n(route.TargetStatus + 1), true},
			"HTTPCode_Target_3XX_Count": {n(route.TargetStatus + 2), true},
			"HTTPCode_Target_4XX_Count": {n(route.TargetStatus + 3), true},
			"HTTPCode_Target_5XX_Count": {n(route.TargetStatus + 4), true},
			"HTTPCode_ELB_3XX_Count":    {n(route.OwnStatus + 2), false},
			"HTTPCode_ELB_4XX_Count":    {n(route.OwnStatus + 3), false},
			"HTTPCode_ELB_5XX_Count":    {n(route.OwnStatus + 4), false},
			"HTTPCode_ELB_500_Count":    {n(route.Own500), false},
			"HTTPCode_ELB_502_Count":    {n(route.Own502), false},
			"HTTPCode_ELB_503_Count":    {n(route.Own503), false},
			"HTTPCode_ELB_504_Count":    {n(route.Own504), false},
			"NewConnectionCount":        {n(route.ClientConnections) + n(route.TargetConnections), false},
			"RejectedConnectionCount":   {n(route.RejectedConnections), false},
			"HTTP_Redirect_Count":       {n(route.Redirects), false},
			"HTTP_Fixed_Response_Count": {n(route.FixedResponses), false},
			"RuleEvaluations":           {n(route.RuleEvaluations), false},
			"IPv6RequestCount":          {n(route.IPv6Requests), true},
			"NonStickyRequestCount":     {n(route.NonSticky), false},

			"TargetConnectionErrorCount":                      {n(route.ConnectionErrors), true},
			"TargetTLSNegotiationErrorCount":                  {n(route.TargetTLSErrors), true},
			"ClientTLSNegotiationErrorCount":                  {n(route.ClientTLSErrors), false},
			"UnhealthyRoutingRequestCount":                    {n(route.FailOpen), true},
			"HTTP_Redirect_Url_Limit_Exceeded_Count":          {n(route.RedirectsTooLong), false},
			"DroppedInvalidHeaderRequestCount":                {n(route.DroppedHeaders), false},
			"DesyncMitigationMode_NonCompliant_Request_Count": {n(route.NonCompliant), false},
		} {
			m.expect(metric, m.minute(metric, "Count", lb, ""), events(uint64(want.n)))
			grouped := meter.Summary{}
			if want.groups {
				grouped = events(uint64(want.n))
			}
			m.expect(metric+" of the group", m.minute(metric, "Count", lb, group), grouped)
		}
		m.expect("ProcessedBytes", m.minute("ProcessedBytes", "Bytes", lb, ""),
			single(n(route.ReceivedBytes)+n(route.SentBytes)))
		m.expect("IPv6ProcessedBytes", m.minute("IPv6ProcessedBytes", "Bytes", lb, ""), single(n(route.IPv6Bytes)))
		perTarget := single(n(route.Requests) / 2) // two targets are healthy
		m.expect("RequestCountPerTarget", m.minute("RequestCountPerTarget", "Count", lb, group), perTarget)
		m.expect("RequestCountPerTarget of the group", m.minute("RequestCountPerTarget", "Count", "", group), perTarget)
		for _, of := range []string{"", group} {
			m.expect("TargetResponseTime", m.minute("TargetResponseTime", "Seconds", lb, of),
				meter.StatisticSet(3, 1.5, 0, 2.5))
		}
		m.expect("ActiveConnectionCount", m.minute("ActiveConnectionCount", "Count", lb, ""), single(7))
		m.expect("HealthyHostCount", m.minute("HealthyHostCount", "Count", lb, group), single(2))
		m.expect("UnHealthyHostCount", m.minute("UnHealthyHostCount", "Count", lb, group), single(1))
	})
}

// alb.md 9.4: most metrics are published only while requests flow; the numbers of hosts and RequestCount
// always.
func TestWithoutTraffic(t *testing.T) {
	inMinutes(t, func(m *measured) {
		for _, id := range []string{"i-1", "i-2", "i-3"} {
			m.target(id, elb.Healthy)
		}
		time.Sleep(time.Minute) // the first look was before the targets were registered
		for _, step := range []struct {
			change             func()
			healthy, unhealthy float64
		}{
			{func() {}, 3, 0},
			{func() { m.target("i-1", elb.Unhealthy) }, 2, 1},
			{func() { m.target("i-2", elb.Initial) }, 1, 1},
			{func() {
				update(m.t, m.store, func(tx *state.Tx) {
					d, _ := tx.Targets.Get(elb.TargetKey(tgARN, "i-3", 80))
					tx.Targets.Put(d.Deregister(time.Now(), time.Hour))
				})
			}, 0, 1},
		} {
			step.change()
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			m.expect("HealthyHostCount", m.minute("HealthyHostCount", "Count", lb, group), single(step.healthy))
			m.expect("UnHealthyHostCount", m.minute("UnHealthyHostCount", "Count", lb, group), single(step.unhealthy))
			m.expect("RequestCount", m.minute("RequestCount", "Count", lb, ""), single(0))
			m.expect("HTTPCode_Target_2XX_Count", m.minute("HTTPCode_Target_2XX_Count", "Count", lb, ""),
				meter.Summary{})
		}
		for _, none := range []func(*state.Tx){
			func(tx *state.Tx) { // the only target left is draining
				tx.Targets.Delete(elb.TargetKey(tgARN, "i-1", 80))
				tx.Targets.Delete(elb.TargetKey(tgARN, "i-2", 80))
			},
			func(tx *state.Tx) { // no rule forwards to the group any more
				putTarget("i-1")(tx)
				tx.Rules.Delete("rule")
			},
		} {
			update(m.t, m.store, none)
			time.Sleep(2 * time.Minute)
			synctest.Wait()
			m.expect("HealthyHostCount", m.minute("HealthyHostCount", "Count", lb, group), meter.Summary{})
		}
	})
}

// The requests of a group are divided by the number of healthy targets, or of all targets when none is
// healthy (alb.md 9.4).
func TestRequestCountPerTarget(t *testing.T) {
	inMinutes(t, func(m *measured) {
		served := uint64(0)
		for _, step := range []struct {
			health []string
			want   float64
		}{
			{[]string{elb.Healthy, elb.Unhealthy, elb.Initial}, 60},
			{[]string{elb.Healthy, elb.Unhealthy, elb.Healthy}, 30},
			{[]string{elb.Unhealthy, elb.Unhealthy, elb.Initial}, 20},
		} {
			for i, health := range step.health {
				m.target(string(rune('a'+i)), health)
			}
			synctest.Wait()
			for range 3 { // several reports in one minute
				served += 20
				c := route.SubjectCounts{Subject: route.Subject{LoadBalancerARN: lbARN, TargetGroupARN: tgARN}}
				c.Counts[route.Requests] = served
				m.edge.Report(route.Report{Epoch: 1, Counts: []route.SubjectCounts{c}})
			}
			time.Sleep(time.Minute)
			synctest.Wait()
			for _, of := range []string{"", lb} {
				got := m.minute("RequestCountPerTarget", "Count", of, group)
				if math.Abs(got.Sum-step.want) > 1e-9 {
					t.Errorf("targets %v: RequestCountPerTarget is %+v, want %v", step.health, got, step.want)
				}
			}
		}
	})
}

// Open connections are counted on the edges that are attached. Each edge counts as one load balancer node
// (alb.md 9.4).
func TestConnectionsOfSeveralEdges(t *testing.T) {
	inMinutes(t, func(m *measured) {
		other := m.edge.p.Attach("b")
		report := func(a *Attachment, clients int64) {
			a.Report(route.Report{Epoch: 1, Counts: []route.SubjectCounts{
				{Subject: route.Subject{LoadBalancerARN: lbARN}, Clients: clients, Targets: 1},
			}})
		}
		report(m.edge, 3)
		report(other, 9)
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		m.expect("ActiveConnectionCount", m.minute("ActiveConnectionCount", "Count", lb, ""),
			meter.StatisticSet(2, 14, 4, 10))
		other.Detach()
		time.Sleep(2 * time.Minute)
		synctest.Wait()
		m.expect("ActiveConnectionCount", m.minute("ActiveConnectionCount", "Count", lb, ""), single(4))
	})
}

// The number and the sum of response times are exact. Only classes of response times are counted, so the
// minimum and the maximum are bounds, and a percentile is at least the true one.
func TestResponseTimes(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		var c route.Counts
		times := rapid.SliceOfN(rapid.Int64Range(0, int64(20*time.Second)), 1, 30).Draw(rt, "times")
		near := rapid.SampledFrom([]int64{1, 1000, 20000}).Draw(rt, "divisor") // a large one puts all into one class
		var sum float64
		for i := range times {
			times[i] /= near
			c[route.Responses]++
			c[route.ResponseNanoseconds] += uint64(times[i])
			sum += time.Duration(times[i]).Seconds()
			within := slices.IndexFunc(route.ResponseBounds[:], func(b time.Duration) bool {
				return time.Duration(times[i]) <= b
			})
			if within < 0 {
				within = len(route.ResponseBounds)
			}
			c[route.ResponsesWithin+route.Counter(within)]++
		}
		slices.Sort(times)
		s := responseTimes(&c)
		lowest, highest := time.Duration(times[0]).Seconds(), time.Duration(times[len(times)-1]).Seconds()
		const rounding = 1e-9
		if s.Count != float64(len(times)) || math.Abs(s.Sum-sum) > rounding*max(sum, 1) || s.Min > lowest+rounding ||
			s.Max < highest-rounding || s.Sum < s.Count*s.Min-rounding || s.Sum > s.Count*s.Max+rounding {
			rt.Fatalf("%+v of %v", s, times)
		}
		p90, err := meter.ParseStatistic("p90")
		if err != nil {
			rt.Fatal(err)
		}
		got, ok := p90.Of(s)
		rank := int(math.Ceil(0.9*float64(len(times)))) - 1
		if want := time.Duration(times[rank]).Seconds(); !ok || got < want*(1-meter.Accuracy)-rounding {
			rt.Fatalf("p90 of %v is %v, %v, less than %v", times, got, ok, want)
		}
	})
}

// One slow response among many fast ones shows in the maximum, and does not raise the minimum.
func TestOneSlowResponse(t *testing.T) {
	var c route.Counts
	c[route.Responses], c[route.ResponseNanoseconds] = 1001, uint64(20*time.Second) // 1000 of 8 ms each, one of 12 s
	c[route.ResponsesWithin+1], c[route.ResponsesWithin+route.Counter(len(route.ResponseBounds))] = 1000, 1
	if s := responseTimes(&c); math.Abs(s.Max-15) > 1e-9 || s.Min != 0.005 { // each of the others took 5 ms at least
		t.Errorf("%+v", s)
	}
}

var _ Feed = (*feed.Feed)(nil)
