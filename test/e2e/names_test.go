package e2e

import (
	"fmt"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// balancer makes a load balancer with a listener on port 80 that forwards to a target group, and returns its DNS name.
func (s server) balancer(t *testing.T, name, targetGroup string) (dns string) {
	t.Helper()
	subnets := s.Ask(t, "ec2", "DescribeSubnets", form{}).All("subnetId")
	lb := s.Ask(t, "elasticloadbalancing", "CreateLoadBalancer", form{
		"Name": name, "Subnets.member.1": subnets[0], "Subnets.member.2": subnets[1],
	})
	s.Ask(t, "elasticloadbalancing", "CreateListener", form{
		"LoadBalancerArn": lb.First("LoadBalancerArn"), "Protocol": "HTTP", "Port": "80",
		"DefaultActions.member.1.Type": "forward", "DefaultActions.member.1.TargetGroupArn": targetGroup,
	})
	return lb.First("DNSName")
}

// In every network mode, a service can call another through its load balancer, by name, on port 80. That is so for
// load balancers that were there when the task began and for later ones. Each has its own address, so the Host does
// not matter. The target sees the task's address.
func TestTasksReachLoadBalancersByName(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), harness.OnPath("iptables"), harness.OnPath("ip"), root)
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	names := map[string]string{} // by the answers of their targets
	serve := func(name string) {
		group := s.TargetGroup(t, name, "/", form{"stickiness.enabled": "true"})
		names[name] = s.balancer(t, name, group)
		c := container(probe, object{"environment": list{object{"name": "ANSWER", "value": name}}})
		s.serve(t, name, s.define(t, name, c, nil), group, 1)
	}
	serve("early")
	subnet := s.Ask(t, "ec2", "DescribeSubnets",
		form{"Filter.1.Name": "availability-zone", "Filter.1.Value.1": s.Region + "a"}).First("subnetId")
	callers := map[string]string{}
	for _, mode := range []string{"bridge", "host", "awsvpc"} {
		c := answering(probe, mode)
		in := object{"networkMode": mode}
		run := object{"cluster": cluster}
		if mode != "bridge" {
			c["portMappings"] = list{object{"containerPort": 18083}}
			c["environment"] = list{object{"name": "ANSWER", "value": mode}, object{"name": "PORT", "value": "18083"}}
		}
		if mode == "awsvpc" {
			run["networkConfiguration"] = object{"awsvpcConfiguration": object{"subnets": list{subnet}}}
		}
		run["taskDefinition"] = s.define(t, "caller-"+mode, c, in)
		at := s.bound(t, s.runTask(t, run))
		if mode == "awsvpc" {
			at += ":18083"
		}
		callers[mode] = "http://" + at
	}
	serve("late")
	for mode, caller := range callers {
		var addresses struct{ Addresses []string }
		harness.Until(t, 30*time.Second, "the task in mode "+mode+" listens", func() string {
			if _, err := fetch(caller + "/addresses"); err != nil {
				return err.Error()
			}
			return ""
		})
		readJSON(t, caller+"/addresses", &addresses)
		for name, dns := range names {
			for _, host := range []string{"", "elsewhere.example"} {
				ask := caller + "/fetch?url=" + url.QueryEscape("http://"+dns+"/seen") + "&host=" + host
				harness.Until(t, 30*time.Second,
					fmt.Sprintf("the task in mode %s reaches %s", mode, name), func() string {
						a, err := fetch(ask)
						if err != nil {
							return err.Error()
						}
						from, found := strings.CutPrefix(a.body, name+" from ")
						if a.status != 200 || !found {
							return fmt.Sprint(a.status, " ", a.body)
						}
						if mode != "host" && !strings.Contains(strings.Join(addresses.Addresses, " ")+" ", from+"/") {
							t.Errorf("%s sees the caller in mode %s as %s, which has %v", name, mode, from,
								addresses.Addresses)
						}
						return ""
					})
			}
		}
		var stuck struct{ Cookies []string }
		readJSON(t, caller+"/cookies?url="+url.QueryEscape("http://"+names["late"]+"/"), &stuck)
		if !strings.Contains(strings.Join(stuck.Cookies, " "), "AWSALB") {
			t.Errorf("the caller in mode %s gets the cookies %v", mode, stuck.Cookies)
		}
	}
}
