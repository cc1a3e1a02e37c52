package elb

import (
	"net/netip"
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

// dig returns the value at a path in a decoded answer. Strings in the path name fields and numbers are
// positions.
func dig(t *testing.T, v any, path ...any) any {
	t.Helper()
	for _, p := range path {
		switch p := p.(type) {
		case string:
			m, ok := v.(map[string]any)
			if !ok {
				t.Fatalf("%v has no %q", v, p)
			}
			v = m[p]
		case int:
			l, ok := v.([]any)
			if !ok || p >= len(l) {
				t.Fatalf("%v has no element %d", v, p)
			}
			v = l[p]
		}
	}
	return v
}

func digString(t *testing.T, v any, path ...any) string {
	t.Helper()
	s, ok := dig(t, v, path...).(string)
	if !ok {
		t.Fatalf("no string at %v in %v", path, v)
	}
	return s
}

// The article's load balancer, with the AWS CLI.
func TestFromTheCLI(t *testing.T) {
	store := desktest.Store(t)
	running(t, store, "i-0123456789abcdef0")
	desk := desktest.New(t, Service(store, nil))
	vpc := fleet.DefaultVPC(desktest.Region, desktest.Account)
	subnets := fleet.Subnets(desktest.Region, desktest.Account)

	made := desk.AWS(t, "elbv2 create-load-balancer --name chat --tags Key=team,Value=a --subnets "+
		subnets[0].ID+" "+subnets[1].ID)
	lb := digString(t, made, "LoadBalancers", 0, "LoadBalancerArn")
	if dns := digString(t, made, "LoadBalancers", 0, "DNSName"); !strings.HasPrefix(dns, "chat-") ||
		!strings.HasSuffix(dns, ".us-east-1.elb.amazonaws.com") {
		t.Errorf("DNSName %s", dns)
	}
	desk.AWS(t, "elbv2 wait load-balancer-available --load-balancer-arns "+lb)

	group := digString(t,
		desk.AWS(t, "elbv2 create-target-group --name chat --protocol HTTP --port 3000 --vpc-id "+vpc.ID+
			" --health-check-path /socket.io/socket.io.js --health-check-interval-seconds 10"), "TargetGroups",
		0, "TargetGroupArn")
	desk.AWS(t, "elbv2 modify-target-group-attributes --target-group-arn "+group+
		" --attributes Key=stickiness.enabled,Value=true Key=deregistration_delay.timeout_seconds,Value=5")
	listener := digString(t, desk.AWS(t, "elbv2 create-listener --load-balancer-arn "+lb+
		" --protocol HTTP --port 80 --default-actions Type=forward,TargetGroupArn="+group),
		"Listeners", 0, "ListenerArn")
	rule := desk.AWS(t, "elbv2", "create-rule", "--listener-arn", listener, "--priority", "10",
		"--conditions", `[{"Field":"path-pattern","Values":["/api/*"]},{"Field":"http-header",`+
			`"HttpHeaderConfig":{"HttpHeaderName":"X-A","Values":["1"]}}]`, "--actions",
		`[{"Type":"fixed-response","FixedResponseConfig":{"StatusCode":"503","ContentType":"text/plain",`+
			`"MessageBody":"soon"}}]`)
	if got := digString(t, rule, "Rules", 0, "Conditions", 0, "PathPatternConfig", "Values", 0); got != "/api/*" {
		t.Errorf("condition %s", got)
	}
	desk.AWS(t, "elbv2 register-targets --target-group-arn "+group+" --targets Id=i-0123456789abcdef0,Port=32768")
	health := desk.JSON(t, "elbv2 describe-target-health --target-group-arn "+group)
	for _, want := range []string{`"Id":"i-0123456789abcdef0","Port":32768`, `"State":"initial"`,
		`"Reason":"Elb.RegistrationInProgress"`, `"HealthCheckPort":"32768"`} {
		if !strings.Contains(health, want) {
			t.Errorf("%s lacks %s", health, want)
		}
	}
	if target, ok := store.View().Targets.Get(group + "|i-0123456789abcdef0|32768"); !ok ||
		target.Address != "127.0.1.9" {
		t.Errorf("target %+v", target)
	}
	rules := desk.JSON(t, "elbv2 describe-rules --listener-arn "+listener)
	if strings.Index(rules, `"Priority":"10"`) > strings.Index(rules, `"Priority":"default"`) ||
		!strings.Contains(rules, `"IsDefault":true`) {
		t.Errorf("rules %s", rules)
	}
	if got := desk.JSON(t, "elbv2 describe-target-groups --load-balancer-arn "+lb); !strings.Contains(got,
		`"LoadBalancerArns":["`+lb+`"]`) {
		t.Errorf("target groups %s", got)
	}
	if got := desk.JSON(t, "elbv2 describe-load-balancer-attributes --load-balancer-arn "+
		lb); !strings.Contains(got, `{"Key":"idle_timeout.timeout_seconds","Value":"60"}`) {
		t.Errorf("attributes %s", got)
	}
	if got := desk.JSON(t, "elbv2 describe-tags --resource-arns "+lb); !strings.Contains(got,
		`{"Key":"team","Value":"a"}`) {
		t.Errorf("tags %s", got)
	}
	desk.Refused(t, "(ResourceInUse)", "elbv2 delete-target-group --target-group-arn "+group)
	desk.Refused(t, "(CertificateNotFound)", "elbv2", "create-listener", "--load-balancer-arn", lb,
		"--protocol", "HTTPS", "--port", "443",
		"--certificates", "CertificateArn=arn:aws:acm:us-east-1:123456789012:certificate/x",
		"--default-actions", "Type=forward,TargetGroupArn="+group)
	desk.AWS(t, "elbv2 deregister-targets --target-group-arn "+group+" --targets Id=i-0123456789abcdef0,Port=32768")
	if got := desk.JSON(t, "elbv2 describe-target-health --target-group-arn "+group); !strings.Contains(got,
		`"Reason":"Target.DeregistrationInProgress"`) {
		t.Errorf("health %s", got)
	}
	desk.AWS(t, "elbv2 delete-load-balancer --load-balancer-arn "+lb)
	desk.AWS(t, "elbv2 wait load-balancers-deleted --load-balancer-arns "+lb)
	desk.AWS(t, "elbv2 delete-target-group --target-group-arn "+group)
	snap := store.View()
	if n := snap.LoadBalancers.Len() + snap.Listeners.Len() + snap.Rules.Len() + snap.TargetGroups.Len() +
		snap.Targets.Len(); n != 0 {
		t.Errorf("%d rows are left", n)
	}
}

// running puts a running instance into the store.
func running(t *testing.T, store *state.Store, id string) {
	t.Helper()
	err := store.Update(t.Context(), func(tx *state.Tx) error {
		tx.Instances.Put(&fleet.Instance{ID: id, Region: desktest.Region, Account: desktest.Account, Zone: "us-east-1a",
			State: fleet.Running, Address: netip.MustParseAddr("127.0.1.9")})
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
}
