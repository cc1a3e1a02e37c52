package chaos

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// smallDisk makes a separate file system with little space.
func smallDisk(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	if err := syscall.Mount("berth-chaos", dir, "tmpfs", 0, "size=16m"); err != nil {
		harness.Need(t, harness.Part{Name: "the right to mount a file system", There: func() error { return err }})
	}
	t.Cleanup(func() {
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// fill writes until the disk is full.
func fill(t *testing.T, name string) {
	t.Helper()
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	for size := 1 << 16; size > 0; {
		if _, err := f.Write(make([]byte, size)); errors.Is(err, syscall.ENOSPC) {
			size /= 2
		} else if err != nil {
			t.Fatal(err)
		}
	}
}

// clusters returns the names of the clusters.
func clusters(t *testing.T, s *harness.Server) map[string]bool {
	t.Helper()
	names := map[string]bool{}
	for in := (object{}); ; {
		var page struct {
			ClusterArns []string
			NextToken   string
		}
		s.Call(t, "ecs", "ListClusters", in, &page)
		for _, arn := range page.ClusterArns {
			names[arn[strings.LastIndexByte(arn, '/')+1:]] = true
		}
		if page.NextToken == "" {
			return names
		}
		in["nextToken"] = page.NextToken
	}
}

// When the disk of the data directory is full, writes are refused with a clear error of status 5xx and have no effect,
// reads work, and the server is healthy. When there is space again, writes work without a restart. After a restart
// everything is there, even if the server was killed while the disk was full.
func TestDiskFull(t *testing.T) {
	dir := smallDisk(t)
	s := harness.Start(t, harness.Config{Data: filepath.Join(dir, "data"), NoDocker: true})
	want := map[string]bool{}
	create := func(name string) error {
		err := s.JSON("ecs", "CreateCluster", object{
			"clusterName": name, "tags": list{object{"key": "k", "value": strings.Repeat("v", 200)}},
		}, nil)
		if err == nil {
			want[name] = true
		}
		return err
	}
	for i := range 10 {
		if err := create(fmt.Sprintf("before%d", i)); err != nil {
			t.Fatal(err)
		}
	}
	s.Call(t, "logs", "CreateLogGroup", object{"logGroupName": "g"}, nil)
	s.Call(t, "ecr", "CreateRepository", object{"repositoryName": "repo"}, nil)
	s.Call(t, "logs", "CreateLogStream", object{"logGroupName": "g", "logStreamName": "s"}, nil)

	for round := range 2 {
		filler := filepath.Join(dir, "filler")
		fill(t, filler)
		refused := refusal(t, func(i int) error { return create(fmt.Sprintf("full%d-%d", round, i)) })
		if refused.Status < 500 || refused.Code != "ServerException" || !strings.Contains(refused.Message, "disk") {
			t.Errorf("a write on a full disk is answered %v", refused)
		}
		refusesOthers(t, s)
		if got := clusters(t, s); !same(got, want) {
			t.Errorf("with a full disk there are %v, want %v", got, want)
		}
		if why := s.Unhealthy(); why != "" {
			t.Errorf("the server is not healthy: %s", why)
		}
		if round == 1 {
			s.Kill(t)
			s.Run(t) // the server can start and serve what is there without free space
			if got := clusters(t, s); !same(got, want) {
				t.Errorf("after a restart with a full disk there are %v, want %v", got, want)
			}
		}
		if err := os.Remove(filler); err != nil {
			t.Fatal(err)
		}
		if err := create(fmt.Sprintf("after%d", round)); err != nil {
			t.Errorf("with space again: %v", err)
		}
		s.Call(t, "logs", "PutLogEvents", putEvents("small"), nil)
		if got := clusters(t, s); !same(got, want) {
			t.Errorf("with space again there are %v, want %v", got, want)
		}
	}
	s.Kill(t)
	s.Run(t)
	if got := clusters(t, s); !same(got, want) {
		t.Errorf("after a restart there are %v, want %v", got, want)
	}
}

func same(a, b map[string]bool) bool {
	for name := range a {
		if !b[name] {
			return false
		}
	}
	return len(a) == len(b)
}

// refusal writes until a write is refused, because the free space inside the file is still used.
func refusal(t *testing.T, write func(i int) error) *harness.Fault {
	t.Helper()
	for i := range 5000 {
		err := write(i)
		if f, ok := errors.AsType[*harness.Fault](err); ok {
			return f
		}
		if err != nil {
			t.Fatalf("no answer on a full disk: %v", err)
		}
	}
	t.Fatal("5000 writes succeeded on a full disk")
	return nil
}

func putEvents(text string) object {
	return object{"logGroupName": "g", "logStreamName": "s",
		"logEvents": list{object{"timestamp": time.Now().UnixMilli(), "message": text}}}
}

// refusesOthers checks that stores outside of the journal refuse writes too.
func refusesOthers(t *testing.T, s *harness.Server) {
	t.Helper()
	logs := refusal(t, func(int) error {
		return s.JSON("logs", "PutLogEvents", putEvents(strings.Repeat("x", 200_000)), nil)
	})
	if logs.Status < 500 {
		t.Errorf("PutLogEvents on a full disk is answered %v", logs)
	}
	vpc := s.Ask(t, "ec2", "DescribeVpcs", form{}).First("vpcId")
	group := refusal(t, func(i int) error {
		_, err := s.Query("elasticloadbalancing", "CreateTargetGroup",
			form{"Name": fmt.Sprintf("tg%d", i), "Protocol": "HTTP", "Port": "80", "VpcId": vpc})
		return err
	})
	if group.Status < 500 || !strings.Contains(group.Message, "disk") {
		t.Errorf("CreateTargetGroup on a full disk is answered %v", group)
	}
	push := s.TryPush("repo", "web")
	if push == nil || !strings.Contains(push.Error(), "the disk is full") {
		t.Errorf("a push on a full disk: %v", push)
	}
	t.Logf("PutLogEvents: %v\nCreateTargetGroup: %v\npush: %v", logs, group, push)
}
