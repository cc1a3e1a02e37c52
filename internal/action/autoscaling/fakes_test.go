package autoscaling

import (
	"encoding/xml"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/autoscaling"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/state"
	"github.com/berthhq/berth/internal/state/journal/mem"
)

const (
	region  = "us-east-1"
	account = "123456789012"
)

var key = identity.AccessKey{ID: "AKIDEXAMPLE0000000AB", Secret: "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY", Principal: identity.Root(account)}

// desk is the front desk with a store behind it and no controller: tests play that.
type desk struct {
	t     *testing.T
	store *state.Store
	h     http.Handler
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	s, err := state.Open(t.Context(), mem.New(), slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	h, err := awswire.NewHandler(awswire.Config{Verifier: &sigv4.Verifier{Keys: identity.NewKeyRing(key)}}, Service(s))
	if err != nil {
		t.Fatal(err)
	}
	return &desk{t, s, h}
}

// call sends a signed Query request, written as "Action a=b c=d", and returns what is in the answer: the XML, or "Code: message" of a fault.
func (d *desk) call(line string) string {
	d.t.Helper()
	words := strings.Fields(line)
	form := url.Values{"Action": {words[0]}, "Version": {shape.APIVersion}}
	for _, w := range words[1:] {
		name, value, _ := strings.Cut(w, "=")
		form.Set(name, value)
	}
	return d.post(form)
}

func (d *desk) post(form url.Values) string {
	d.t.Helper()
	body := form.Encode()
	r := httptest.NewRequest(http.MethodPost, "http://127.0.0.1:4566/", strings.NewReader(body))
	r.Header.Set("Content-Type", "application/x-www-form-urlencoded; charset=utf-8")
	sigv4.Sign(r, sigv4.Credentials{AccessKeyID: key.ID, SecretAccessKey: key.Secret}, region, "autoscaling", sigv4.HashPayload([]byte(body)), time.Now())
	w := httptest.NewRecorder()
	d.h.ServeHTTP(w, r)
	out, _ := io.ReadAll(w.Result().Body)
	if w.Code == http.StatusOK {
		return string(out)
	}
	var f struct {
		Error struct{ Code, Message string }
	}
	if err := xml.Unmarshal(out, &f); err != nil {
		d.t.Fatalf("%s: %v", out, err)
	}
	return f.Error.Code + ": " + f.Error.Message
}

// ok is call for what has to succeed.
func (d *desk) ok(line string) string {
	d.t.Helper()
	out := d.call(line)
	if !strings.HasPrefix(out, "<") {
		d.t.Fatalf("%s: %s", line, out)
	}
	return out
}

// group makes a launch configuration and a group called g over two zones.
func (d *desk) group(min, max, desired string) {
	d.t.Helper()
	d.ok("CreateLaunchConfiguration LaunchConfigurationName=lc ImageId=ami-0123456789abcdef0 InstanceType=t2.micro")
	d.ok("CreateAutoScalingGroup AutoScalingGroupName=g LaunchConfigurationName=lc MinSize=" + min + " MaxSize=" + max + " DesiredCapacity=" + desired +
		" AvailabilityZones.member.1=us-east-1a AvailabilityZones.member.2=us-east-1b")
}

// put plays the controller: the group gets an instance in service.
func (d *desk) put(id string, change func(*fleet.Instance)) {
	d.t.Helper()
	err := d.store.Update(d.t.Context(), func(tx *state.Tx) error {
		i := fleet.NewInstance(id, "r-1", fleet.Subnets(region, account)[0], fleet.LaunchData{InstanceType: "t2.micro"}, netip.MustParseAddr("127.0.1.2"), time.Now())
		g, ok := tx.AutoScalingGroups.Get(fleet.Key(region, account, "g"))
		if ok {
			g.Join(i, fleet.LaunchSource{Configuration: "lc"}, time.Now())
			i.Scaling.Lifecycle, i.Scaling.InServiceAt = fleet.LifecycleInService, time.Now()
		}
		i.State = fleet.Running
		if change != nil {
			change(i)
		}
		tx.Instances.Put(i)
		return nil
	})
	if err != nil {
		d.t.Fatal(err)
	}
}

func (d *desk) theGroup() *fleet.AutoScalingGroup {
	d.t.Helper()
	g, ok := d.store.View().AutoScalingGroups.Get(fleet.Key(region, account, "g"))
	if !ok {
		d.t.Fatal("the group is gone")
	}
	return g
}

func (d *desk) instance(id string) *fleet.Instance {
	d.t.Helper()
	i, ok := d.store.View().Instances.Get(fleet.InstanceARN(region, account, id))
	if !ok {
		d.t.Fatalf("no instance %s", id)
	}
	return i
}

// cli runs the AWS CLI against the desk and returns what it prints.
func (d *desk) cli(url, line string) (string, error) {
	cmd := exec.Command("/usr/bin/aws", strings.Fields(line)...)
	cmd.Env = append(os.Environ(), "AWS_ACCESS_KEY_ID="+key.ID, "AWS_SECRET_ACCESS_KEY="+key.Secret, "AWS_DEFAULT_REGION="+region,
		"AWS_CONFIG_FILE=/dev/null", "AWS_EC2_METADATA_DISABLED=true", "AWS_PAGER=")
	cmd.Args = append(cmd.Args, "--endpoint-url", url)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// needCLI skips a test where there is no AWS CLI, and fails it in CI.
func needCLI(t *testing.T) {
	t.Helper()
	if err := exec.Command("/usr/bin/aws", "--version").Run(); err != nil {
		if os.Getenv("BERTH_CI") == "1" {
			t.Fatal("the AWS CLI is missing (apt-get install awscli)")
		}
		t.Skip("the AWS CLI is missing (apt-get install awscli)")
	}
}
