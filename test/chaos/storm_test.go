package chaos

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/test/harness"
)

// storm makes requests that no client should send.
type storm struct {
	*harness.Server
	r *rand.Rand
}

// Clients send thousands of malformed requests, of each kind in turn and many at once. None is answered with 5xx,
// nothing panics, and the server goes on.
func TestBadInputStorm(t *testing.T) {
	r := dice(t)
	s := harness.Start(t, harness.Config{NoDocker: true})
	s.Call(t, "ecs", "CreateCluster", object{"clusterName": "before"}, nil)
	codes := make([]map[int]int, 8)
	var all sync.WaitGroup
	for i := range codes {
		codes[i] = map[int]int{}
		w := storm{s, rand.New(rand.NewPCG(r.Uint64(), 0))}
		all.Go(func() { w.blow(t, 600, codes[i]) })
	}
	all.Wait()
	sum := map[int]int{}
	for _, c := range codes {
		for code, n := range c {
			sum[code] += n
		}
	}
	t.Logf("answers by status: %v", sum)
	if log := s.Log(); strings.Contains(log, "panic") || strings.Contains(log, "goroutine ") {
		t.Errorf("something panicked:\n%s", harness.Tail(log, 60))
	}
	if why := s.Unhealthy(); why != "" {
		t.Errorf("the server is not healthy: %s", why)
	}
	s.Call(t, "ecs", "CreateCluster", object{"clusterName": "after"}, nil)
	if got := clusters(t, s); !got["before"] || !got["after"] {
		t.Errorf("there are the clusters %v", got)
	}
	t.Logf("resident afterwards: %.0f MiB", resident(t, s.PID()))
}

func (w storm) blow(t *testing.T, times int, codes map[int]int) {
	kinds := []func() *http.Request{
		w.brokenJSON, w.wrongTypes, w.oddForm, w.badSignature, w.unknownAction, w.anyPath, w.oversized,
	}
	client := &http.Client{Timeout: 30 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	for i := range times {
		if i%16 == 15 {
			w.garbage(t)
			continue
		}
		kind := i % len(kinds)
		if kind == 6 && i%4 != 0 {
			kind = 0 // few bodies of megabytes are enough
		}
		req := kinds[kind]()
		what := fmt.Sprintf("%s %s %q", req.Method, req.URL.Path, req.Header)
		resp, err := client.Do(req)
		if err != nil {
			if kind != 6 { // the server may close the connection of a client that sends too much
				t.Errorf("%s: %v", what, err)
			}
			continue
		}
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 500))
		resp.Body.Close()
		codes[resp.StatusCode]++
		if resp.StatusCode >= 500 {
			t.Errorf("%s is answered %s: %s", what, resp.Status, answer)
		}
	}
}

func (w storm) pick(from ...string) string { return from[w.r.IntN(len(from))] }

// noise returns a meaningless text.
func (w storm) noise(most int) string {
	b := make([]byte, w.r.IntN(most)+1)
	for i := range b {
		b[i] = byte(w.r.Uint32())
	}
	return string(b)
}

func (w storm) ecsAction() string {
	return w.pick("CreateCluster", "DescribeClusters", "ListClusters", "RegisterTaskDefinition", "RunTask",
		"StartTask", "StopTask", "CreateService",
		"UpdateService", "DescribeTasks", "ListTasks", "TagResource", "PutAttributes",
		"PutClusterCapacityProviders", "UpdateContainerInstancesState", "RegisterContainerInstance",
		"SubmitTaskStateChange", "SubmitContainerStateChange", "DiscoverPollEndpoint",
		"PutAccountSetting", "DeleteCluster")
}

func (w storm) post(body string, header http.Header) *http.Request {
	req, err := http.NewRequest(http.MethodPost, w.URL()+"/", strings.NewReader(body))
	if err != nil {
		panic(err) // the URL is ours
	}
	req.Header = header
	return req
}

func (w storm) jsonCall(action, body string) *http.Request {
	service, target := "ecs", "AmazonEC2ContainerServiceV20141113."
	if w.r.IntN(4) == 0 {
		service, target = "logs", "Logs_20140328."
		action = w.pick("PutLogEvents", "GetLogEvents", "FilterLogEvents", "CreateLogGroup",
			"DescribeLogGroups", "DescribeLogStreams", "PutRetentionPolicy")
	} else if w.r.IntN(4) == 0 {
		service, target = "ecr", "AmazonEC2ContainerRegistry_V20150921."
		action = w.pick("CreateRepository", "DescribeImages", "BatchGetImage", "PutLifecyclePolicy",
			"GetAuthorizationToken", "ListImages", "BatchDeleteImage")
	}
	req := w.post(body, http.Header{"Content-Type": {"application/x-amz-json-1.1"}, "X-Amz-Target": {target + action}})
	w.Sign(req, service, []byte(body))
	return req
}

func (w storm) brokenJSON() *http.Request {
	body := w.pick(`{`, `[`, `{"cluster":`, `{"cluster":"c"`, `"x"`, `null`, `{}{}`, `{"a":1e999}`,
		`{"cluster":"\ud800"}`, "\x00", ``, `{"cluster":nul}`,
		strings.Repeat(`[`, 100_000), strings.Repeat(`{"a":`, 50_000),
		`{"cluster":"`+strings.Repeat("x", 100_000)+`"}`, w.noise(200))
	return w.jsonCall(w.ecsAction(), body)
}

// value returns any JSON value, usually of an unexpected type.
func (w storm) value(depth int) any {
	switch n := w.r.IntN(10); {
	case n == 0 && depth > 0:
		return list{w.value(depth - 1), w.value(depth - 1)}
	case n == 1 && depth > 0:
		return object{w.member(): w.value(depth - 1), "": w.value(depth - 1)}
	case n <= 3:
		return w.r.Int64() - 1<<62
	case n == 4:
		return -1.5e300
	case n == 5:
		return nil
	case n == 6:
		return true
	case n == 7:
		return list{nil}
	}
	return strings.ToValidUTF8(w.noise(40), "?")
}

func (w storm) member() string {
	return w.pick("cluster", "clusterName", "clusters", "tasks", "task", "taskDefinition", "family",
		"containerDefinitions", "desiredCount", "count", "tags",
		"service", "services", "serviceName", "loadBalancers", "placementStrategy", "placementConstraints",
		"networkConfiguration", "deploymentConfiguration", "containerInstances", "containerInstance",
		"attributes", "resourceArn", "nextToken", "maxResults", "include", "filter", "memory", "cpu",
		"volumes", "logGroupName", "logStreamName", "logEvents", "startTime", "limit", "repositoryName",
		"imageIds", "policyText", "totalResources", "overrides", "name", "value")
}

func (w storm) wrongTypes() *http.Request {
	in := object{}
	for range 1 + w.r.IntN(5) {
		in[w.member()] = w.value(3)
	}
	body, err := json.Marshal(in)
	if err != nil {
		panic(err) // values are made of what JSON has
	}
	return w.jsonCall(w.ecsAction(), string(body))
}

func (w storm) oddForm() *http.Request {
	service := w.pick("elasticloadbalancing", "autoscaling", "ec2", "elasticache")
	action := w.pick("CreateLoadBalancer", "DescribeTargetGroups", "CreateListener", "CreateRule",
		"ModifyListener", "RegisterTargets", "CreateAutoScalingGroup",
		"CreateLaunchConfiguration", "DescribeAutoScalingGroups", "RunInstances", "DescribeInstances",
		"DescribeSubnets", "CreateCacheCluster", "AddTags", "Nothing", "")
	body := "Action=" + action + "&Version=" + w.pick("2015-12-01", "2011-01-01", "1", "") + "&" + w.pick(
		"Names.member.99999999999999999999=x", "Names.member.-1=x", "Names.member.0=x",
		"Names.member.1000000=x", "Filter.1.Value=x", "Filter.1.Name=%ff", "%", "&&&=", "MaxRecords=abc",
		"Conditions.member.1.Values.member.1.x.y.z=1", "LoadBalancerName=%00", "MinSize=-1&MaxSize=1e9",
		"Subnets.member.1=&Subnets.member.1=", "Marker="+strings.Repeat("A", 5000), w.noise(100))
	req := w.post(body, http.Header{"Content-Type": {
		w.pick("application/x-www-form-urlencoded", "text/plain", "application/json", "multipart/form-data"),
	}})
	w.Sign(req, service, []byte(body))
	return req
}

func (w storm) badSignature() *http.Request {
	req := w.jsonCall(w.ecsAction(), `{}`)
	switch w.r.IntN(6) {
	case 0:
		req.Header.Del("Authorization")
	case 1:
		req.Header.Set("Authorization",
			w.pick("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA256 Credential=,SignedHeaders=,Signature=", "Basic eDp5",
				"Bearer x", "AWS4-HMAC-SHA256 Credential=a/b/c/d/e/f/g"))
	case 2:
		req.Header.Set("X-Amz-Date", w.pick("", "now", "20200101T000000Z", "99999999T999999Z"))
	case 3:
		req.Header.Set("Authorization",
			strings.Replace(req.Header.Get("Authorization"), "Signature=", "Signature=0", 1))
	case 4:
		req.URL.RawQuery = "X-Amz-Algorithm=AWS4-HMAC-SHA256&X-Amz-Credential=x&X-Amz-Expires=-1&X-Amz-Signature=%zz"
	case 5:
		req.Header.Set("X-Amz-Security-Token", strings.Repeat("A", 3000))
	}
	return req
}

func (w storm) unknownAction() *http.Request {
	body := `{}`
	req := w.post(body, http.Header{"Content-Type": {
		w.pick("application/x-amz-json-1.1", "application/x-amz-json-1.0", "application/cbor", ""),
	},
		"X-Amz-Target": {w.pick("", ".", "AmazonEC2ContainerServiceV20141113.",
			"AmazonEC2ContainerServiceV20141113.Nothing", "Nothing.Nothing", "Logs_20140328.a.b",
			strings.Repeat("x", 5000))}})
	w.Sign(req, w.pick("ecs", "s3", "nothing", "ec2"), []byte(body))
	return req
}

func (w storm) anyPath() *http.Request {
	path := w.pick("/v2/", "/v2/a/b/manifests/latest", "/v2/a/b/blobs/sha256:zz", "/v2/a/blobs/uploads/",
		"/v2/_catalog?n=-1", "/v2/a/tags/list?n=x", "/v2/../../etc/passwd", "/v2//manifests/",
		"/acs/ws", "/acs/ws?clusterArn=x&containerInstanceArn=y", "/tcs/ws", "/_berth/health",
		"/_berth/metrics", "/_berth/status", "/_berth/nothing", "/_berth/", "/favicon.ico", "/%00",
		"/a/../b", "/?Action=x", "//")
	method := w.pick(http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete,
		http.MethodHead, http.MethodOptions, "NOTHING")
	req, err := http.NewRequest(method, w.URL()+path, strings.NewReader(w.noise(300)))
	if err != nil {
		panic(err) // the paths are ours
	}
	switch w.r.IntN(4) {
	case 0:
		req.Header = http.Header{"Connection": {"Upgrade"}, "Upgrade": {"websocket"},
			"Sec-Websocket-Version": {"13"}, "Sec-Websocket-Key": {w.pick("dGhlIHNhbXBsZSBub25jZQ==", "x")}}
	case 1:
		req.Header = http.Header{"Content-Range": {w.pick("0-10", "-1-x", "99999999999999999999-1")},
			"Content-Type": {"application/vnd.oci.image.manifest.v1+json"}}
	case 2:
		req.Header = http.Header{"Authorization": {w.pick("Basic eDp5", "Basic !!", "Bearer")}}
	}
	return req
}

func (w storm) oversized() *http.Request { return w.jsonCall(w.ecsAction(), tooMuch) }

// tooMuch is a body that is larger than any the API reads.
var tooMuch = `{"clusterName":"` + strings.Repeat("x", 12<<20) + `"}`

// garbage sends text that is not HTTP, or that begins as HTTP and ends too early.
func (w storm) garbage(t *testing.T) {
	c, err := net.Dial("tcp", w.Addr())
	if err != nil {
		t.Error(err)
		return
	}
	defer c.Close()
	text := w.pick(w.noise(2000), "GET / HTTP/1.1\r\nHost:",
		"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
		"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n{", "GET / HTTP/9.9\r\n\r\n",
		"\x16\x03\x01\x02\x00\x01", "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
	_, _ = io.Copy(c, bytes.NewBufferString(text)) // the server may have closed the connection already
}
