package scale

import (
	"flag"
	"fmt"
	"os"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// TestMain builds the program for the benchmarks. There are no tests here.
func TestMain(m *testing.M) {
	if os.Getenv(bareMode) != "" {
		fmt.Fprintln(os.Stderr, serveBare())
		return
	}
	flag.Parse()
	if flag.Lookup("test.bench").Value.String() == "" {
		os.Exit(m.Run())
	}
	os.Exit(harness.Main(m, map[string]string{"berth": "../../cmd/berth"}))
}

// mostWhenDoubled is how many times the processor time may grow when there is twice as much work.
const mostWhenDoubled = 2.2

// world is a server with a cluster of simulated agents.
type world struct {
	*harness.Server
	*fleet
	b *testing.B
}

func newWorld(b *testing.B, agents int) *world {
	s := harness.Start(b, harness.Config{NoDocker: true, Args: []string{"--aws-restarts"}})
	s.Call(b, "ecs", "CreateCluster", harness.Object{"clusterName": "c"}, nil)
	return &world{Server: s, fleet: join(b, s, "c", agents), b: b}
}

// define registers a revision of a task definition and returns "family:revision".
func (w *world) define(family string, port int) string {
	w.b.Helper()
	container := harness.Object{"name": "main", "image": "simulated", "cpu": 16, "memory": 16}
	if port > 0 {
		container["portMappings"] = harness.List{harness.Object{"containerPort": port}}
	}
	var out struct {
		TaskDefinition struct {
			Family   string
			Revision int
		}
	}
	w.Call(w.b, "ecs", "RegisterTaskDefinition", harness.Object{
		"family": family, "containerDefinitions": harness.List{container},
	}, &out)
	return fmt.Sprint(out.TaskDefinition.Family, ":", out.TaskDefinition.Revision)
}

// service creates a service without tasks.
func (w *world) service(name, definition string, more harness.Object) {
	w.b.Helper()
	in := harness.Object{
		"cluster": "c", "serviceName": name, "taskDefinition": definition, "desiredCount": 0,
		"placementStrategy":       harness.List{harness.Object{"type": "spread", "field": "instanceId"}},
		"deploymentConfiguration": harness.Object{"minimumHealthyPercent": 100, "maximumPercent": 200},
	}
	for k, v := range more {
		in[k] = v
	}
	w.Call(w.b, "ecs", "CreateService", in, nil)
}

func (w *world) update(name string, change harness.Object) {
	w.b.Helper()
	change["cluster"], change["service"] = "c", name
	w.Call(w.b, "ecs", "UpdateService", change, nil)
}

// targetGroup makes a load balancer whose listener forwards to a new target group.
func (w *world) targetGroup() (arn string) {
	w.b.Helper()
	group := w.Ask(w.b, "elasticloadbalancing", "CreateTargetGroup", harness.Form{
		"Name": "g", "Protocol": "HTTP", "Port": "80", "VpcId": w.vpc(), "HealthCheckIntervalSeconds": "300",
	}).First("TargetGroupArn")
	w.Ask(w.b, "elasticloadbalancing", "ModifyTargetGroupAttributes", harness.Form{
		"TargetGroupArn": group, "Attributes.member.1.Key": "deregistration_delay.timeout_seconds",
		"Attributes.member.1.Value": "0",
	})
	subnets := w.Ask(w.b, "ec2", "DescribeSubnets", harness.Form{}).All("subnetId")
	lb := w.Ask(w.b, "elasticloadbalancing", "CreateLoadBalancer", harness.Form{
		"Name": "lb", "Subnets.member.1": subnets[0], "Subnets.member.2": subnets[1],
	}).First("LoadBalancerArn")
	w.Ask(w.b, "elasticloadbalancing", "CreateListener", harness.Form{
		"LoadBalancerArn": lb, "Protocol": "HTTP", "Port": "8080", "DefaultActions.member.1.Type": "forward",
		"DefaultActions.member.1.TargetGroupArn": group,
	})
	return group
}

func (w *world) vpc() string {
	return w.Ask(w.b, "ec2", "DescribeVpcs", harness.Form{}).First("vpcId")
}

// measure returns the server's processor time for work.
func (w *world) measure(work func()) time.Duration {
	w.b.Helper()
	before := cpuTime(w.b, w.PID())
	work()
	return cpuTime(w.b, w.PID()) - before
}

// doubled measures work of a size and of twice that size, each with a server of its own, and fails if the second takes
// too much more time. The size is so large that one garbage collection more or less, some tens of milliseconds, does
// not matter.
func doubled(b *testing.B, size int, work func(b *testing.B, size int) time.Duration) {
	var once time.Duration
	b.Run(fmt.Sprint(size), func(b *testing.B) {
		once = work(b, size)
		b.ReportMetric(float64(once.Milliseconds()), "cpu-ms")
	})
	b.Run(fmt.Sprint(2*size), func(b *testing.B) {
		twice := work(b, 2*size)
		ratio := twice.Seconds() / once.Seconds()
		b.ReportMetric(float64(twice.Milliseconds()), "cpu-ms")
		b.ReportMetric(ratio, "x-doubled")
		b.ReportMetric(ratio/mostWhenDoubled, "doubled/limit")
		if ratio > mostWhenDoubled {
			b.Errorf("twice the size takes %.2f times the processor time, more than %.1f", ratio, mostWhenDoubled)
		}
	})
}

// BenchmarkStart starts the tasks of one service on 100 agents.
func BenchmarkStart(b *testing.B) {
	doubled(b, 1000, func(b *testing.B, tasks int) time.Duration {
		w := newWorld(b, 100)
		d := w.define("t", 0)
		w.service("s", d, nil)
		return w.measure(func() {
			w.update("s", harness.Object{"desiredCount": tasks})
			w.awaitRunning(b, d, tasks)
			w.settle(b)
		})
	})
}

// BenchmarkStartWithTargets starts the tasks of one service behind a target group.
func BenchmarkStartWithTargets(b *testing.B) {
	doubled(b, 500, func(b *testing.B, tasks int) time.Duration {
		w := newWorld(b, 100)
		d := w.define("t", 80)
		w.service("s", d, w.behind(w.targetGroup()))
		return w.measure(func() {
			w.update("s", harness.Object{"desiredCount": tasks})
			w.awaitRunning(b, d, tasks)
			w.awaitRegistered("s", tasks)
		})
	})
}

func (w *world) behind(group string) harness.Object {
	return harness.Object{"loadBalancers": harness.List{harness.Object{
		"targetGroupArn": group, "containerName": "main", "containerPort": 80,
	}}}
}

// awaitRegistered waits until all tasks of a service are RUNNING, which they are once they are targets.
func (w *world) awaitRegistered(service string, tasks int) {
	w.b.Helper()
	harness.Until(w.b, 2*time.Minute, "all tasks are registered", func() string {
		var out struct{ Services []struct{ RunningCount int } }
		w.Call(w.b, "ecs", "DescribeServices", harness.Object{"cluster": "c", "services": harness.List{service}}, &out)
		if n := out.Services[0].RunningCount; n != tasks {
			return fmt.Sprint(n, " are RUNNING")
		}
		return ""
	})
}

// BenchmarkServices starts many services of five tasks each.
func BenchmarkServices(b *testing.B) {
	doubled(b, 100, func(b *testing.B, services int) time.Duration {
		w := newWorld(b, 100)
		d := w.define("t", 0)
		for i := range services {
			w.service(fmt.Sprint("s", i), d, nil)
		}
		return w.measure(func() {
			for i := range services {
				w.update(fmt.Sprint("s", i), harness.Object{"desiredCount": 5})
			}
			w.awaitRunning(b, d, 5*services)
			w.settle(b)
		})
	})
}

// BenchmarkInstances starts ten tasks for each of many instances.
func BenchmarkInstances(b *testing.B) {
	doubled(b, 250, func(b *testing.B, agents int) time.Duration {
		w := newWorld(b, agents)
		d := w.define("t", 0)
		w.service("s", d, nil)
		return w.measure(func() {
			w.update("s", harness.Object{"desiredCount": 10 * agents})
			w.awaitRunning(b, d, 10*agents)
			w.settle(b)
		})
	})
}

// BenchmarkRoll replaces every task of a service.
func BenchmarkRoll(b *testing.B) {
	doubled(b, 500, func(b *testing.B, tasks int) time.Duration {
		w := newWorld(b, 100)
		d := w.define("t", 0)
		w.service("s", d, nil)
		w.update("s", harness.Object{"desiredCount": tasks})
		w.awaitRunning(b, d, tasks)
		d = w.define("t", 0)
		return w.measure(func() {
			w.update("s", harness.Object{"taskDefinition": d})
			w.awaitRunning(b, d, tasks)
		})
	})
}

// BenchmarkStop stops every task of a service.
func BenchmarkStop(b *testing.B) {
	doubled(b, 1000, func(b *testing.B, tasks int) time.Duration {
		w := newWorld(b, 100)
		d := w.define("t", 0)
		w.service("s", d, nil)
		w.update("s", harness.Object{"desiredCount": tasks})
		w.awaitRunning(b, d, tasks)
		return w.measure(func() {
			w.update("s", harness.Object{"desiredCount": 0})
			w.awaitRunning(b, d, 0)
		})
	})
}

// BenchmarkStopWithTargets stops every task of a service behind a target group.
func BenchmarkStopWithTargets(b *testing.B) {
	doubled(b, 500, func(b *testing.B, tasks int) time.Duration {
		w := newWorld(b, 100)
		d := w.define("t", 80)
		w.service("s", d, w.behind(w.targetGroup()))
		w.update("s", harness.Object{"desiredCount": tasks})
		w.awaitRunning(b, d, tasks)
		w.awaitRegistered("s", tasks)
		return w.measure(func() {
			w.update("s", harness.Object{"desiredCount": 0})
			w.awaitRunning(b, d, 0)
		})
	})
}

// BenchmarkDrain drains one instance in ten: their tasks are started elsewhere.
func BenchmarkDrain(b *testing.B) {
	doubled(b, 100, func(b *testing.B, agents int) time.Duration {
		w := newWorld(b, agents)
		d := w.define("t", 0)
		tasks := 10 * agents
		w.service("s", d, nil)
		w.update("s", harness.Object{"desiredCount": tasks})
		w.awaitRunning(b, d, tasks)
		return w.measure(func() {
			for i := 0; i < agents; i += 10 {
				w.Call(b, "ecs", "UpdateContainerInstancesState", harness.Object{
					"cluster": "c", "containerInstances": harness.List{w.agents[i].arn}, "status": "DRAINING",
				}, nil)
			}
			w.await(b, "every task was moved", func() bool { return w.stopped >= agents && w.live == tasks })
		})
	})
}

// BenchmarkDeregister deregisters instances with force: their tasks are lost and started elsewhere.
func BenchmarkDeregister(b *testing.B) {
	doubled(b, 500, func(b *testing.B, agents int) time.Duration {
		w := newWorld(b, agents)
		d := w.define("t", 0)
		tasks := 10 * agents
		w.service("s", d, nil)
		w.update("s", harness.Object{"desiredCount": tasks})
		w.awaitRunning(b, d, tasks)
		return w.measure(func() {
			for i := 0; i < agents; i += 10 {
				w.deregister(w.agents[i])
			}
			// A task may have been started on an instance that was deregistered next.
			w.await(b, "every lost task was started elsewhere", func() bool {
				live := 0
				for i, a := range w.agents {
					if i%10 != 0 {
						live += a.live
					}
				}
				return live == tasks
			})
		})
	})
}

// deregister deregisters an instance with force. The tasks that its agent runs do not end with it.
func (w *world) deregister(a *agent) {
	w.b.Helper()
	w.Call(w.b, "ecs", "DeregisterContainerInstance", harness.Object{
		"cluster": "c", "containerInstance": a.arn, "force": true,
	}, nil)
}

// Limits that do not depend on a doubling.
const (
	mostToStart3500     = 1500 * time.Millisecond // of processor time, on 100 agents
	mostPerDeregister   = 10 * time.Millisecond   // of 1,000 instances with 15,000 tasks
	mostWithManyTasks   = 1.2                     // DescribeServices of 3,000 tasks beside one of 120
	mostOverBare        = 80 * time.Microsecond   // DescribeServices beside net/http alone
	describesPerMeasure = 20_000
	idleFor             = 10 * time.Second
)

// BenchmarkStart3500 starts 3,500 tasks of one service on 100 agents.
func BenchmarkStart3500(b *testing.B) {
	for b.Loop() {
		w := newWorld(b, 100)
		d := w.define("t", 0)
		w.service("s", d, nil)
		took := w.measure(func() {
			w.update("s", harness.Object{"desiredCount": 3500})
			w.awaitRunning(b, d, 3500)
		})
		limit(b, took, mostToStart3500)
	}
}

// BenchmarkDeregisterOne deregisters ten of 1,000 instances with 15,000 tasks, one after another.
func BenchmarkDeregisterOne(b *testing.B) {
	for b.Loop() {
		const agents, tasks, times = 1000, 15000, 10
		w := newWorld(b, agents)
		d := w.define("t", 0)
		w.service("s", d, nil)
		w.update("s", harness.Object{"desiredCount": tasks})
		w.awaitRunning(b, d, tasks)
		idle := w.measure(func() { time.Sleep(idleFor) })
		b.ReportMetric(idle.Seconds()/idleFor.Seconds()*100, "idle-%") // what the sessions cost meanwhile
		took := w.measure(func() {
			for i := range times {
				w.mu.Lock()
				want := w.live + w.agents[i].live
				w.mu.Unlock()
				w.deregister(w.agents[i])
				w.await(b, "the lost tasks were started elsewhere", func() bool { return w.live == want })
			}
		})
		limit(b, took/times, mostPerDeregister)
	}
}

func limit(b *testing.B, took, most time.Duration) {
	b.ReportMetric(float64(took.Microseconds())/1000, "cpu-ms")
	b.ReportMetric(took.Seconds()/most.Seconds(), "cpu/limit")
	if took > most {
		b.Errorf("%v of processor time, more than %v", took, most)
	}
}

// BenchmarkDescribeServices describes a service with 100 tasks, and compares with a server of net/http alone
// that reads and writes as many bytes. It also compares a service with 3,000 tasks with one of 120. Both of
// those are scaled up in twelve parts, so that both have equally many events, which are most of their answers.
func BenchmarkDescribeServices(b *testing.B) {
	for b.Loop() {
		w := newWorld(b, 100)
		plain, few, many := w.define("plain", 0), w.define("few", 0), w.define("many", 0)
		w.service("plain", plain, nil)
		w.service("few", few, nil)
		w.service("many", many, nil)
		w.update("plain", harness.Object{"desiredCount": 100})
		w.await(b, "100 tasks run", func() bool { return w.running[plain] == 100 })
		for part := 1; part <= 12; part++ {
			w.update("few", harness.Object{"desiredCount": 10 * part})
			w.await(b, "tasks run", func() bool { return w.running[few] == 10*part })
			w.update("many", harness.Object{"desiredCount": 250 * part})
			w.await(b, "tasks run", func() bool { return w.running[many] == 250*part })
		}
		describe := func(service string) time.Duration {
			body := describeBody(service)
			return w.measure(func() {
				for range describesPerMeasure {
					if _, err := w.send("DescribeServices", body); err != nil {
						b.Fatal(err)
					}
				}
			}) / describesPerMeasure
		}
		w.settle(b)
		one := describe("plain")
		over := one - w.bareTime(b, describeBody("plain"))
		small, large := describe("few"), describe("many")
		b.ReportMetric(float64(over.Nanoseconds())/1000, "over-bare-us")
		b.ReportMetric(over.Seconds()/mostOverBare.Seconds(), "over-bare/limit")
		if over > mostOverBare {
			b.Errorf("it takes %v more than net/http alone, more than %v", over, mostOverBare)
		}
		ratio := large.Seconds() / small.Seconds()
		b.ReportMetric(float64(one.Nanoseconds())/1000, "cpu-us")
		b.ReportMetric(ratio, "x-many-tasks")
		b.ReportMetric(ratio/mostWithManyTasks, "many-tasks/limit")
		if ratio > mostWithManyTasks {
			b.Errorf("with 3,000 tasks it takes %.2f times what it takes with 120", ratio)
		}
	}
}

// settle waits until the server needs little processor time, because the work after the start of tasks is done.
//
// A second after its start a task is marked as healthy. Without this wait, it would depend on how long a start
// takes how many of the marks are measured, and a start that is twice as large takes longer.
func (w *world) settle(b *testing.B) {
	b.Helper()
	const second, little = time.Second, 30 * time.Millisecond
	harness.Until(b, time.Minute, "the server has settled", func() string {
		if took := w.measure(func() { time.Sleep(second) }); took > little {
			return fmt.Sprintf("it used %v of processor time in a second", took)
		}
		return ""
	})
}

func describeBody(service string) []byte {
	return fmt.Appendf(nil, `{"cluster":"c","services":[%q]}`, service)
}

// bareTime returns how long a bare server takes for a call of the same size as DescribeServices.
func (w *world) bareTime(b *testing.B, body []byte) time.Duration {
	b.Helper()
	answer, err := w.send("DescribeServices", body)
	if err != nil {
		b.Fatal(err)
	}
	s := newBare(b)
	before := cpuTime(b, s.pid)
	for range describesPerMeasure {
		s.call(b, w.http, body, len(answer))
	}
	return (cpuTime(b, s.pid) - before) / describesPerMeasure
}

// BenchmarkMemory reports how much resident memory of the server each connected instance takes: the
// difference between two sizes.
func BenchmarkMemory(b *testing.B) {
	for b.Loop() {
		const few, many = 500, 2500
		small := newWorld(b, few).resident(b)
		large := newWorld(b, many).resident(b)
		b.ReportMetric(float64(large-small)/(many-few), "kB/instance")
	}
}

// resident returns the server's resident memory in kB once it has settled: the least of ten seconds.
func (w *world) resident(b *testing.B) (least int) {
	b.Helper()
	for range 10 {
		text, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", w.PID()))
		if err != nil {
			b.Fatal(err)
		}
		for _, line := range harness.Lines(text) {
			var kB int
			if n, _ := fmt.Sscanf(line, "VmRSS: %d kB", &kB); n == 1 && (least == 0 || kB < least) {
				least = kB
			}
		}
		time.Sleep(time.Second)
	}
	return least
}
