package dispatch_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/coder/websocket"

	"github.com/berthhq/berth/internal/acs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/identity"
	"github.com/berthhq/berth/internal/state"
)

// as are the credentials of an EC2 instance, made by the world's own minter.
func as(t *testing.T, instance string) sigv4.Credentials {
	t.Helper()
	m, err := identity.NewMinter(make([]byte, identity.MasterKeySize))
	if err != nil {
		t.Fatal(err)
	}
	c, err := m.Mint(identity.InstanceRole(account), instance, time.Now().Add(time.Hour))
	if err != nil {
		t.Fatal(err)
	}
	return sigv4.Credentials{
		AccessKeyID: c.AccessKeyID, SecretAccessKey: c.SecretAccessKey, SessionToken: c.SessionToken,
	}
}

func (d *desk) ec2Instance(id string) *ecs.ContainerInstance {
	n := *d.instance(id)
	n.EC2InstanceID = "i-" + id
	d.update(func(tx *state.Tx) { tx.ContainerInstances.Put(&n) })
	return &n
}

// An instance can open sessions of itself only. People's keys can open any session, as with ecs:Poll:
// TestSessionBeginsWithTheManifest.
func TestInstanceOpensItsOwnSessionsOnly(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		one := d.ec2Instance("1")
		d.ec2Instance("2")
		for path, name := range map[string]string{"/acs/ws": "containerInstanceArn", "/tcs/ws": "containerInstance"} {
			query := url.Values{name: {one.ContainerInstanceARN}}
			conn, _, err := d.dialAs(as(t, "i-1"), path, query)
			if err != nil {
				t.Fatalf("%s: %v", path, err)
			}
			conn.CloseNow()
			if _, resp, err := d.dialAs(as(t, "i-2"), path, query); err == nil || resp == nil ||
				resp.StatusCode != http.StatusForbidden {
				t.Errorf("%s of another instance: %v, %v", path, resp, err)
			}
		}
	})
}

// A report must name the instance whose session it comes in, and must be signed by it. Otherwise the session ends.
func TestReportsInAnothersName(t *testing.T) {
	type frame struct {
		said   acs.TelemetryMetadata
		signer string
	}
	for name, c := range map[string]struct {
		frame frame
		taken bool
	}{
		"its own, by ARN": {frame{acs.TelemetryMetadata{
			Cluster: clusterARN, ContainerInstance: ecs.ARN(region, account, ecs.TypeContainerInstance, "agt/1"),
		}, "i-1"}, true},
		"its own, by name": {frame{acs.TelemetryMetadata{Cluster: "agt", ContainerInstance: "1"}, "i-1"}, true},
		"of another instance": {frame{acs.TelemetryMetadata{
			Cluster: "agt", ContainerInstance: ecs.ARN(region, account, ecs.TypeContainerInstance, "agt/2"),
		}, "i-1"}, false},
		"of another cluster": {frame{acs.TelemetryMetadata{Cluster: "other", ContainerInstance: "1"}, "i-1"}, false},
		"signed by another":  {frame{acs.TelemetryMetadata{Cluster: "agt", ContainerInstance: "1"}, "i-2"}, false},
		"that names nobody":  {frame{acs.TelemetryMetadata{}, "i-1"}, true},
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, d *desk) {
				one := d.ec2Instance("1")
				d.ec2Instance("2")
				query := url.Values{"containerInstance": {one.ContainerInstanceARN}}
				conn, _, err := d.dialAs(as(t, "i-1"), "/tcs/ws", query)
				if err != nil {
					t.Fatal(err)
				}
				defer conn.CloseNow()
				for _, m := range []acs.Message{
					&acs.PublishMetrics{Metadata: c.frame.said}, &acs.PublishHealth{Metadata: c.frame.said},
					&acs.PublishInstanceStatus{Metadata: c.frame.said},
				} {
					body, err := acs.Encode(m)
					if err != nil {
						t.Fatal(err)
					}
					handshake := httptest.NewRequest(http.MethodGet, "http://berth.test/tcs/ws?"+query.Encode(), nil)
					headers := sigv4.SignFrame(handshake, as(t, c.frame.signer), region, "ecs", body, time.Now())
					if err := conn.Write(t.Context(), websocket.MessageText,
						acs.JoinTelemetryFrame(headers, body)); err != nil && c.taken {
						t.Fatal(err)
					}
					if _, _, err := conn.Read(t.Context()); (err == nil) != c.taken {
						t.Errorf("%s is answered with %v", m.MessageType(), err)
					}
				}
			})
		})
	}
}

// A renewal that fails is tried again within minutes, before the old credentials expire.
func TestFailedRenewalIsTriedAgainSoon(t *testing.T) {
	bubble(t, nil, func(t *testing.T, d *desk) {
		ci := d.instance("1")
		arn := d.place(ci, d.define(definition("serve", "serve:1")), "a",
			func(t *ecs.Task) { t.LastStatus = ecs.Running })
		p := d.connect(ci, "true")
		expect[*acs.TaskManifest](p)
		first := expect[*acs.RoleCredentialsUpdate](p)
		role := func(name string) {
			d.update(func(tx *state.Tx) {
				n, _ := tx.Tasks.Get(arn)
				c := *n
				c.Overrides.TaskRoleARN = name
				tx.Tasks.Put(&c)
			})
		}
		role("arn:aws:s3:::bucket") // a bucket is no role
		p.quiet(5*time.Hour + 30*time.Minute)
		role("task")
		expect[*acs.RoleCredentialsUpdate](p)
		end, err := time.Parse(time.RFC3339, first.Credentials.Expiration)
		if left := time.Until(end); err != nil || left < 20*time.Minute {
			t.Errorf("renewed %v before the end (%v)", left, err)
		}
	})
}
