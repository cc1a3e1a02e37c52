package dispatch_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// ask calls the API as an agent does.
func (w *world) ask(action string, in any) (status int, out map[string]any) {
	w.t.Helper()
	body, err := json.Marshal(in)
	if err != nil {
		w.t.Fatal(err)
	}
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", bytes.NewReader(body))
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", "AmazonEC2ContainerServiceV20141113."+action)
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: keyID, SecretAccessKey: keySecret}, region, "ecs",
		sigv4.HashPayload(body), time.Now())
	answer := httptest.NewRecorder()
	w.http.ServeHTTP(answer, r)
	if err := json.Unmarshal(answer.Body.Bytes(), &out); err != nil {
		w.t.Fatalf("%s answers %d %s", action, answer.Code, answer.Body)
	}
	return answer.Code, out
}

type object = map[string]any

func registration(change object) object {
	in := object{
		"cluster": "agt", "clientToken": "token-1",
		"attributes": []object{{"name": "ecs.os-type", "value": "linux"},
			{"name": "ecs.capability.full-sync"}, {"name": "custom", "value": "a"}},
		"totalResources": []object{
			{"name": "CPU", "type": "INTEGER", "integerValue": 2048}, {
				"name": "MEMORY", "type": "INTEGER", "integerValue": 4096,
			}, {"name": "PORTS", "type": "STRINGSET", "stringSetValue": []string{"22", "2375"}},
			{"name": "PORTS_UDP", "type": "STRINGSET", "stringSetValue": []string{}},
		},
		"instanceIdentityDocument": `{"instanceId":"i-0a","availabilityZone":"us-east-1b",` +
			`"instanceType":"t3.small","privateIp":"127.0.1.7"}`,
	}
	for k, v := range change {
		in[k] = v
	}
	return in
}

func instanceOf(out map[string]any) (arn string, attributes map[string]any) {
	ci, _ := out["containerInstance"].(map[string]any)
	attributes = map[string]any{}
	list, _ := ci["attributes"].([]any)
	for _, a := range list {
		attribute, _ := a.(map[string]any)
		attributes[fmt.Sprint(attribute["name"])] = attribute["value"]
	}
	arn, _ = ci["containerInstanceArn"].(string)
	return arn, attributes
}

// Checklist 2 of ecs-agent.md 11.
func TestRegisterContainerInstance(t *testing.T) {
	w := newWorld(t, nil)
	status, out := w.ask("RegisterContainerInstance", registration(nil))
	arn, attributes := instanceOf(out)
	if status != http.StatusOK || attributes["ecs.os-type"] != "linux" ||
		attributes["ecs.availability-zone"] != "us-east-1b" {
		t.Fatalf("%d %v", status, out)
	}
	if _, echoed := attributes["ecs.capability.full-sync"]; !echoed {
		t.Error("an attribute without a value is not echoed")
	}
	ci, _ := w.store.View().ContainerInstances.Get(arn)
	if ci.Registered.CPU != 2048 || len(ci.Registered.PortsTCP) != 2 || ci.EC2InstanceID != "i-0a" ||
		ci.Address != "127.0.1.7" || ci.AgentConnected {
		t.Errorf("registered %+v", ci)
	}
	if _, again := w.ask("RegisterContainerInstance", registration(nil)); fmt.Sprint(instanceOf2(again)) != arn {
		t.Errorf("the same token makes %v", again)
	}
	// Registering again keeps custom attributes, which the agent sends only once.
	status, out = w.ask("RegisterContainerInstance", registration(object{
		"containerInstanceArn": arn, "clientToken": "token-2",
		"attributes": []object{{"name": "ecs.os-type", "value": "linux"}},
	}))
	same, attributes := instanceOf(out)
	if status != http.StatusOK || same != arn || attributes["custom"] != "a" {
		t.Errorf("again: %d %v", status, out)
	}
	// The machine's agent has forgotten who it was: the old instance has no keeper.
	_, out = w.ask("RegisterContainerInstance", registration(object{"clientToken": "token-3"}))
	fresh, _ := instanceOf(out)
	old, _ := w.store.View().ContainerInstances.Get(arn)
	if fresh == arn || old.Status != ecs.InstanceInactive {
		t.Errorf("the new row is %s, and the old one is %s", fresh, old.Status)
	}
	for name, in := range map[string]object{
		"ClientException":           registration(object{"containerInstanceArn": arn}),
		"ClusterNotFoundException":  registration(object{"cluster": "none"}),
		"InvalidParameterException": registration(object{"totalResources": []object{}}),
	} {
		if status, out := w.ask("RegisterContainerInstance", in); status != http.StatusBadRequest ||
			out["__type"] != name {
			t.Errorf("%d %v, want %s", status, out, name)
		}
	}
}

func instanceOf2(out map[string]any) string {
	arn, _ := instanceOf(out)
	return arn
}

// Checklist 4.
func TestDiscoverPollEndpoint(t *testing.T) {
	w := newWorld(t, nil)
	_, out := w.ask("DiscoverPollEndpoint", object{"cluster": "agt", "containerInstance": "x", "zoneId": ""})
	if out["endpoint"] != "http://127.0.0.1:4566/acs" || out["telemetryEndpoint"] != "http://127.0.0.1:4566/tcs" {
		t.Errorf("got %v", out)
	}
}

// Checklist 5: 200 for what is stale, repeated or unknown; what was acknowledged is on disk.
func TestSubmitStateChanges(t *testing.T) {
	w := newWorld(t, nil)
	ci := &ecs.ContainerInstance{ContainerInstanceARN: "ci", ClusterARN: clusterARN, Status: ecs.InstanceActive}
	d := w.define(definition("serve", "serve:1"))
	arn := w.place(ci, d, "a", func(t *ecs.Task) {
		t.Attachments = []ecs.Attachment{{ID: "att-1", Type: "ElasticNetworkInterface", Status: "PRECREATED"}}
	})
	other := w.task(w.place(ci, d, "b", nil))
	ok := func(action string, in object) {
		t.Helper()
		if status, out := w.ask(action, in); status != http.StatusOK || out["acknowledgment"] != "ok" {
			t.Errorf("%s is answered %d %v", action, status, out)
		}
	}
	running := object{"cluster": "agt", "task": arn, "status": "RUNNING", "reason": "",
		"pullStartedAt": 1795397045.599, "containers": []object{{
			"containerName": "web", "status": "RUNNING", "runtimeId": "r", "imageDigest": "sha256:1",
			"networkBindings": []object{
				{"bindIP": "0.0.0.0", "containerPort": 80, "hostPort": 32768, "protocol": "tcp"},
			},
		}}}
	ok("SubmitTaskStateChange", running)
	ok("SubmitAttachmentStateChanges", object{"attachments": []object{
		{"attachmentArn": "arn:aws:ecs:us-east-1:123456789012:attachment/agt/att-1", "status": "ATTACHED"},
	}})
	task := w.task(arn)
	if c := task.Containers[0]; task.LastStatus != ecs.Running || c.RuntimeID != "r" ||
		c.ImageDigest != "sha256:1" || c.NetworkBindings[0].HostPort != 32768 {
		t.Errorf("it is %+v", task)
	}
	if task.PullStartedAt.UnixMilli() != 1795397045599 || task.Attachments[0].Status != "ATTACHED" {
		t.Errorf("it is %+v", task)
	}
	if now := w.task(other.TaskARN); now != other {
		t.Errorf("a report about another task's attachment made it %+v", now)
	}
	ok("SubmitContainerStateChange", object{
		"cluster": "agt", "task": arn, "containerName": "web", "status": "STOPPED", "exitCode": 7,
	})
	stopped := object{"cluster": "agt", "task": arn, "status": "STOPPED", "reason": ""}
	ok("SubmitTaskStateChange", stopped)
	end := w.task(arn)
	for _, late := range []object{running, stopped} {
		ok("SubmitTaskStateChange", late)
	}
	if now := w.task(arn); now != end || now.LastStatus != ecs.Stopped || *now.Containers[0].ExitCode != 7 {
		t.Errorf("it is %+v", now)
	}
	ok("SubmitTaskStateChange", object{
		"cluster": "agt", "task": "arn:aws:ecs:us-east-1:123456789012:task/agt/unknown", "status": "RUNNING",
	})
	if status, out := w.ask("SubmitTaskStateChange", object{
		"cluster": "agt", "task": arn, "status": "DANCING",
	}); status != 400 || out["__type"] != "InvalidParameterException" {
		t.Errorf("an unknown status is answered %d %v", status, out)
	}
}

// A report counts for tasks of the caller's account and region only.
func TestReportsOfOthersTasksChangeNothing(t *testing.T) {
	w := newWorld(t, nil)
	other := &ecs.Task{TaskARN: "arn:aws:ecs:eu-west-1:123456789012:task/agt/a", LastStatus: ecs.Pending,
		DesiredStatus: ecs.Running}
	w.update(func(tx *state.Tx) { tx.Tasks.Put(other) })
	if status, _ := w.ask("SubmitTaskStateChange",
		object{"task": other.TaskARN, "status": "STOPPED"}); status != http.StatusOK {
		t.Errorf("answered %d", status)
	}
	if w.task(other.TaskARN).LastStatus != ecs.Pending {
		t.Error("a task of another region was changed")
	}
}
