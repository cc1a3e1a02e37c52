package e2e

import (
	"encoding/json"
	"net/http"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// In every network mode, a container can be reached, has its environment, its limits and its role's credentials, gets
// its task's metadata, and can connect to Redis.
func TestNetworkModes(t *testing.T) {
	s := start(t)
	probe := s.Push(t, "probe")
	s.launch(t, 2)
	redis := object{"name": "REDIS_ENDPOINT", "value": s.redis(t)}
	role := "arn:aws:iam::" + s.Account + ":role/probe"
	s.Ask(t, "iam", "CreateRole", form{"RoleName": "probe", "AssumeRolePolicyDocument": `{"Statement":[]}`})
	subnet := s.Ask(t, "ec2", "DescribeSubnets",
		form{"Filter.1.Name": "availability-zone", "Filter.1.Value.1": s.Region + "a"}).First("subnetId")
	for _, mode := range []string{"bridge", "host", "awsvpc"} {
		t.Run(mode, func(t *testing.T) {
			c := answering(probe, mode)
			c["memory"] = 48
			c["environment"] = list{object{"name": "ANSWER", "value": mode}, redis}
			if mode != "bridge" {
				c["portMappings"] = list{object{"containerPort": 18081}}
				c["environment"] = append(c["environment"].(list), object{"name": "PORT", "value": "18081"})
			}
			in := object{"cluster": cluster,
				"taskDefinition": s.define(t, mode, c, object{"networkMode": mode, "taskRoleArn": role})}
			if mode == "awsvpc" {
				in["networkConfiguration"] = object{"awsvpcConfiguration": object{"subnets": list{subnet}}}
			}
			s.seesItself(t, s.runTask(t, in), mode, role)
		})
	}
}

// runTask runs one task and waits until it runs.
func (s server) runTask(t *testing.T, in object) task {
	t.Helper()
	var out struct {
		Tasks    []task
		Failures []struct{ Arn, Reason, Detail string }
	}
	s.Call(t, "ecs", "RunTask", in, &out)
	if len(out.Tasks) != 1 {
		t.Fatalf("RunTask places nothing: %+v", out.Failures)
	}
	var now task
	harness.Until(t, 30*time.Second, "the task runs", func() string {
		now = s.tasks(t, out.Tasks[0].TaskArn)[0]
		if now.LastStatus == "STOPPED" {
			t.Fatalf("the task stopped: %s", now.StoppedReason)
		}
		if now.LastStatus != "RUNNING" {
			return now.LastStatus
		}
		return ""
	})
	return now
}

func (s server) seesItself(t *testing.T, x task, mode, role string) {
	t.Helper()
	at := "http://" + s.bound(t, x)
	if mode == "awsvpc" {
		at += ":18081" // the address is the task's own, with all its ports
	}
	harness.Until(t, 10*time.Second, "the container answers", func() string {
		a, err := fetch(at + "/")
		if err != nil {
			return err.Error()
		}
		if a.body != mode {
			t.Fatalf("%s answers %q", at, a.body)
		}
		return ""
	})
	var env map[string]string
	readJSON(t, at+"/env", &env)
	if env["ANSWER"] != mode || env["AWS_EXECUTION_ENV"] != "AWS_ECS_EC2" {
		t.Errorf("the environment is %v", env)
	}
	var about struct{ Cluster, TaskARN, Family, AvailabilityZone string }
	readJSON(t, at+"/metadata", &about)
	if about.TaskARN != x.TaskArn || about.Family != mode || about.AvailabilityZone != x.AvailabilityZone {
		t.Errorf("the metadata endpoint says %+v of %+v", about, x)
	}
	var credentials struct{ RoleArn, AccessKeyID, SecretAccessKey, Token, Expiration string }
	readJSON(t, at+"/credentials", &credentials)
	if credentials.RoleArn != role || !strings.HasPrefix(credentials.AccessKeyID, "ASIA") || credentials.Token == "" {
		t.Errorf("the credentials endpoint answers %+v", credentials)
	}
	if pong := get(t, at+"/redis").body; pong != "+PONG" {
		t.Errorf("Redis answers %q", pong)
	}
	if limit := get(t, at+"/memory").body; limit != "50331648" {
		t.Errorf("the memory limit is %s, want 48 MiB", limit)
	}
}

func readJSON(t *testing.T, url string, out any) {
	t.Helper()
	a := get(t, url)
	if a.status != http.StatusOK {
		t.Fatalf("%s: %d %s", url, a.status, a.body)
	}
	if err := json.Unmarshal([]byte(a.body), out); err != nil {
		t.Fatalf("%s: %v: %s", url, err, a.body)
	}
}

// Tasks with addresses of their own run in two regions at once. Their networks are on one machine and must not
// overlap, and EC2 reports the real addresses. A network that is there already is not disturbed.
func TestAwsvpcInTwoRegions(t *testing.T) {
	harness.Need(t, harness.DockerEngine())
	const office = "berth-e2e-office"
	if out, err := exec.Command("docker", "network", "create", "--subnet", "172.31.240.0/24",
		office).CombinedOutput(); err != nil {
		t.Fatalf("docker network create: %v: %s", err, out)
	}
	t.Cleanup(func() { exec.Command("docker", "network", "rm", office).Run() })
	s := start(t)
	probe := s.Push(t, "probe")
	there := []netip.Prefix{netip.MustParsePrefix("172.31.240.0/24")}
	for _, region := range []string{"eu-west-1", "us-east-1"} {
		same := *s.Server // the same server, called in another region
		same.Region = region
		in := server{&same}
		in.launch(t, 1)
		vpc := netip.MustParsePrefix(in.Ask(t, "ec2", "DescribeVpcs", form{}).First("cidrBlock"))
		for _, other := range there {
			if vpc.Overlaps(other) {
				t.Errorf("the network of %s is %s, which overlaps %s", region, vpc, other)
			}
		}
		there = append(there, vpc)
		var subnets list
		for _, id := range in.Ask(t, "ec2", "DescribeSubnets", form{}).All("subnetId") {
			subnets = append(subnets, id)
		}
		x := in.runTask(t, object{"cluster": cluster,
			"taskDefinition":       in.define(t, "own", answering(probe, region), object{"networkMode": "awsvpc"}),
			"networkConfiguration": object{"awsvpcConfiguration": object{"subnets": subnets}}})
		address := in.bound(t, x)
		if !vpc.Contains(netip.MustParseAddr(address)) {
			t.Errorf("the task in %s has the address %s, which is not of %s", region, address, vpc)
		}
		harness.Until(t, 10*time.Second, "the container answers", func() string {
			a, err := fetch("http://" + address + ":8080/")
			if err != nil {
				return err.Error()
			}
			if a.body != region {
				t.Fatalf("%s answers %q, not %q", address, a.body, region)
			}
			return ""
		})
	}
}
