package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/state"
)

const (
	region  = desktest.Region
	account = desktest.Account
	prefix  = "arn:aws:ecs:" + region + ":" + account + ":"
)

var key = identity.AccessKey{ID: "AKIATESTTESTTESTTEST", Secret: "secret", Principal: identity.Root(account)}

// desk is the front desk with a store and without controllers or agents; tests make their changes. It listens
// on a loopback port. Its clock moves only when a test sets it.
type desk struct {
	t      *testing.T
	store  *state.Store
	url    string
	region string
	now    *time.Time
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	d := &desk{t: t, store: desktest.Store(t), region: region, now: new(time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC))}
	h, err := awswire.NewHandler(awswire.Config{
		Verifier: &sigv4.Verifier{Keys: identity.NewKeyRing(key)}, Now: func() time.Time { return *d.now },
	}, Service(d.store))
	if err != nil {
		t.Fatal(err)
	}
	server := httptest.NewServer(h)
	t.Cleanup(server.Close)
	d.url = server.URL
	return d
}

// in returns the desk for a caller who signs for another region.
func (d *desk) in(region string) *desk {
	c := *d
	c.region = region
	return &c
}

// post sends a signed request and returns the status and the answer.
func (d *desk) post(action, body string) (int, answer) {
	d.t.Helper()
	r, err := http.NewRequestWithContext(d.t.Context(), http.MethodPost, d.url, strings.NewReader(body))
	if err != nil {
		d.t.Fatal(err)
	}
	r.Header.Set("Content-Type", "application/x-amz-json-1.1")
	r.Header.Set("X-Amz-Target", shape.TargetPrefix+"."+action)
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, d.region, "ecs",
		sigv4.HashPayload([]byte(body)), *d.now)
	resp, err := http.DefaultClient.Do(r)
	if err != nil {
		d.t.Fatal(err)
	}
	defer resp.Body.Close()
	doc, err := io.ReadAll(resp.Body)
	if err != nil {
		d.t.Fatal(err)
	}
	a := answer{t: d.t}
	decoder := json.NewDecoder(bytes.NewReader(doc))
	decoder.UseNumber()
	if err := decoder.Decode(&a.value); err != nil {
		d.t.Fatalf("%s answered %s", action, doc)
	}
	return resp.StatusCode, a
}

// ok makes a call that must succeed. The input is JSON with ' instead of ", which is easier to read in Go.
func (d *desk) ok(action, input string, args ...any) answer {
	d.t.Helper()
	input = strings.ReplaceAll(fmt.Sprintf(input, args...), "'", `"`)
	status, a := d.post(action, input)
	if status != http.StatusOK {
		d.t.Fatalf("%s %s: %v", action, input, a.value)
	}
	return a
}

// refused makes a call that must fail with a fault that begins with the given "Code: message".
func (d *desk) refused(want, action, input string, args ...any) answer {
	d.t.Helper()
	input = strings.ReplaceAll(fmt.Sprintf(input, args...), "'", `"`)
	status, a := d.post(action, input)
	message := a.at("message")
	if message == "absent" {
		message = a.at("Message")
	}
	got := strings.ReplaceAll(fmt.Sprintf("%s: %s", unquote(a.at("__type")), unquote(message)),
		shape.TargetPrefix+"#", "")
	if status != http.StatusBadRequest || !strings.HasPrefix(got, want) {
		d.t.Errorf("%s %s: %d %s, want %s", action, input, status, got, want)
	}
	return a
}

func unquote(s string) string {
	u, err := strconv.Unquote(s)
	if err != nil {
		return s
	}
	return u
}

// answer is an answer, decoded from JSON.
type answer struct {
	t     *testing.T
	value any
}

// at returns the JSON at a path of names and positions, such as "tasks.0.taskArn", or "absent".
func (a answer) at(path string) string {
	a.t.Helper()
	v := a.value
	for step := range strings.SplitSeq(path, ".") {
		var ok bool
		switch c := v.(type) {
		case map[string]any:
			v, ok = c[step]
		case []any:
			i, err := strconv.Atoi(step)
			if ok = err == nil && i < len(c); ok {
				v = c[i]
			}
		}
		if !ok {
			return "absent"
		}
	}
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		a.t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

// text returns the string at a path.
func (a answer) text(path string) string {
	a.t.Helper()
	s, err := strconv.Unquote(a.at(path))
	if err != nil {
		a.t.Fatalf("no string at %s of %v", path, a.value)
	}
	return s
}

// is compares the values at paths. The wanted values are JSON with ' instead of ".
func (a answer) is(pairs ...string) answer {
	a.t.Helper()
	for pair := range slices.Chunk(pairs, 2) {
		if got, want := a.at(pair[0]), strings.ReplaceAll(pair[1], "'", `"`); got != want {
			a.t.Errorf("%s is %s, want %s", pair[0], got, want)
		}
	}
	return a
}

// has checks that the string at a path contains a part.
func (a answer) has(path, part string) answer {
	a.t.Helper()
	if got := a.at(path); !strings.Contains(got, part) {
		a.t.Errorf("%s is %s, want %q in it", path, got, part)
	}
	return a
}

// put changes the state as agents and controllers would.
func (d *desk) put(fn func(tx *state.Tx)) {
	d.t.Helper()
	if err := d.store.Update(d.t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		d.t.Fatal(err)
	}
}

// instance registers a container instance of 1024 CPU units and 2048 MiB in the default cluster, as dispatch
// does.
func (d *desk) instance(id, zone string, edit ...func(*ecs.ContainerInstance)) string {
	d.t.Helper()
	i := &ecs.ContainerInstance{
		ContainerInstanceARN: prefix + "container-instance/default/" + id,
		ClusterARN:           prefix + "cluster/default", EC2InstanceID: "i-" + id, Status: ecs.InstanceActive,
		AgentConnected: true, AgentVersion: "1.99.0", RegisteredAt: *d.now, Version: 1,
		Registered: ecs.Resources{CPU: 1024, Memory: 2048, PortsTCP: []int{22, 2375, 2376, 51678, 51679}},
		Attributes: []ecs.Attribute{{Name: ecs.AttributeZone, Value: zone}, {Name: ecs.AttributeCPU, Value: "arm64"},
			{Name: "com.amazonaws.ecs.capability.docker-remote-api.1.18"}, {Name: "ecs.capability.task-eni"},
			{Name: "ecs.capability.task-cpu-mem-limit"}},
		RuntimeStatus: "OK", RuntimeStatusSince: *d.now,
	}
	for _, e := range edit {
		e(i)
	}
	d.put(func(tx *state.Tx) {
		if _, ok := tx.Clusters.Get(i.ClusterARN); !ok {
			tx.Clusters.Put(&ecs.Cluster{ClusterARN: i.ClusterARN, ClusterName: "default", Status: ecs.ClusterActive})
		}
		tx.ContainerInstances.Put(i)
	})
	return i.ContainerInstanceARN
}

// define registers a task definition of one container with 256 CPU units and 256 MiB.
func (d *desk) define(family, more string) string {
	d.t.Helper()
	if more != "" {
		more = ", " + more
	}
	return d.ok("RegisterTaskDefinition",
		`{'family': '%s', 'containerDefinitions': [{'name': 'web', 'image': 'web', 'cpu': 256, 'memory': 256,
		'portMappings': [{'containerPort': 80}]}]%s}`, family, more).text("taskDefinition.taskDefinitionArn")
}

// change changes a task as an agent would.
func (d *desk) change(taskARN string, edit func(*ecs.Task)) {
	d.t.Helper()
	d.put(func(tx *state.Tx) {
		t, ok := tx.Tasks.Get(taskARN)
		if !ok {
			d.t.Fatalf("no task %s", taskARN)
		}
		n := *t
		edit(&n)
		tx.Tasks.Put(&n)
	})
}

// pages reads all pages of a list.
func (d *desk) pages(action, member, input string) [][]string {
	d.t.Helper()
	var out [][]string
	for token := ""; ; {
		body := input
		if token != "" {
			body = strings.TrimSuffix(input, "}") + `, 'nextToken': '` + token + `'}`
		}
		a := d.ok(action, "%s", body)
		var page []string
		if err := json.Unmarshal([]byte(a.at(member)), &page); err != nil {
			d.t.Fatal(err)
		}
		out = append(out, page)
		if a.at("nextToken") == "absent" {
			return out
		}
		if token = a.text("nextToken"); len(out) > 100 {
			d.t.Fatal("the list has no end")
		}
	}
}
