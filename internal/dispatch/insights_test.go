package dispatch_test

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// ecs.md 7.9: the metrics of a cluster with Container Insights, by cluster, service and family; of no other.
func TestContainerInsights(t *testing.T) {
	for _, setting := range []string{"", "disabled", "enabled", "enhanced"} {
		t.Run(setting, func(t *testing.T) { testInsights(t, setting) })
	}
}

func testInsights(t *testing.T, setting string) {
	on := setting == "enabled" || setting == "enhanced"
	inMinutes(t, func(m *metered) {
		ci := m.instance("1") // 2048 units and 4096 MiB
		def := definition("web", "web:1")
		def.ContainerDefinitions[0].CPU, def.ContainerDefinitions[0].Memory = 512, 256
		m.define(def)
		m.update(func(tx *state.Tx) {
			c, _ := tx.Clusters.Get(clusterARN)
			changed := *c
			if setting != "" {
				changed.Settings = []ecs.Setting{{Name: "containerInsights", Value: setting}}
			}
			tx.Clusters.Put(&changed)
			for _, name := range []string{"api", "gone"} {
				s := &ecs.Service{ServiceARN: ecs.ARN(region, account, ecs.TypeService, "agt/"+name), ServiceName: name,
					ClusterARN: clusterARN, Status: ecs.ServiceActive, DesiredCount: 5}
				if name == "gone" {
					s.Status = ecs.ServiceInactive
				}
				tx.Services.Put(s)
				tx.ServiceProgress.Put(&ecs.ServiceProgress{ServiceARN: s.ServiceARN,
					Deployments: make([]ecs.Deployment, 2)})
			}
		})
		a, b := m.place(ci, def, "a", inService("api")), m.place(ci, def, "b", inService("api"))
		pending := m.place(ci, def, "c", func(t *ecs.Task) { inService("api")(t); t.LastStatus = ecs.Pending })
		alone := m.place(ci, def, "d", func(t *ecs.Task) { t.LastStatus = ecs.Running })
		usage := func(task string, cpu, memory, rx float64) acs.TaskMetric {
			u := used(task, cpu, memory)
			u.Containers[0].Network = &acs.NetworkStats{
				RxBytesPerSecond: &acs.StatsSet{Min: rx, Max: rx, Sum: 4 * rx, SampleCount: 4},
			}
			return u
		}
		agent := m.reporter(ci)
		for _, cpu := range []float64{10, 20, 30} { // 20 % are 409.6 units
			agent.say(time.Now(), usage(a, cpu, 100, 1000), usage(b, 2*cpu, 50, 500), usage(pending, 50, 50, 50),
				usage(alone, 5, 10, 7))
			time.Sleep(acs.PublishEvery)
		}
		synctest.Wait()
		for _, of := range []struct {
			metric, unit  string
			count         float64
			low, high     float64
			average       float64
			extra, within string
		}{
			{"CpuUtilized", "None", 3, 102.4, 819.2, (409.6 + 819.2 + 102.4) / 3, "", ""},
			{"CpuUtilized", "None", 2, 409.6, 819.2, 614.4, "ServiceName", "api"},
			{"CpuUtilized", "None", 3, 102.4, 819.2, (409.6 + 819.2 + 102.4) / 3, "TaskDefinitionFamily", "web"},
			{"CpuReserved", "None", 3, 512, 512, 512, "", ""},
			{"MemoryUtilized", "Megabytes", 2, 50, 100, 75, "ServiceName", "api"},
			{"MemoryReserved", "Megabytes", 2, 256, 256, 256, "ServiceName", "api"},
			{"NetworkRxBytes", "Bytes/Second", 2, 500, 1000, 750, "ServiceName", "api"},
			{"RunningTaskCount", "Count", 1, 2, 2, 2, "ServiceName", "api"},
			{"PendingTaskCount", "Count", 1, 1, 1, 1, "ServiceName", "api"},
			{"DesiredTaskCount", "Count", 1, 5, 5, 5, "ServiceName", "api"},
			{"DeploymentCount", "Count", 1, 2, 2, 2, "ServiceName", "api"},
			{"TaskSetCount", "Count", 1, 0, 0, 0, "ServiceName", "api"},
			{"TaskCount", "Count", 1, 3, 3, 3, "", ""},
			{"ServiceCount", "Count", 1, 1, 1, 1, "", ""},
			{"ContainerInstanceCount", "Count", 1, 1, 1, 1, "", ""},
		} {
			dimensions := []string{"ClusterName", "agt"}
			if of.extra != "" {
				dimensions = append(dimensions, of.extra, of.within)
			}
			if !on {
				if p := m.points("ECS/ContainerInsights", of.metric, dimensions...); len(p) != 0 {
					t.Errorf("%s has %+v", of.metric, p)
				}
				continue
			}
			m.expectPoint(statistics{SampleCount: of.count, Average: of.average, Minimum: of.low, Maximum: of.high,
				Unit: of.unit}, "ECS/ContainerInsights", of.metric, dimensions...)
		}
		for _, metric := range []string{"RunningTaskCount", "NetworkTxBytes"} {
			p := m.points("ECS/ContainerInsights", metric, "ClusterName", "agt", "ServiceName", "gone")
			if len(p) != 0 {
				t.Errorf("%s of a service that has ended is %+v", metric, p)
			}
		}
	})
}
