package awswire

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/shape"
	"github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/awswire/shape/ecr"
	"github.com/berthhq/berth/internal/awswire/shape/elasticache"
	"github.com/berthhq/berth/internal/awswire/shape/elbv2"
	"github.com/berthhq/berth/internal/awswire/shape/iam"
	"github.com/berthhq/berth/internal/awswire/shape/logs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/identity"
)

// Every operation that lists resources which Berth cannot have answers with empty lists. If the request names
// such a resource, in any member, it answers with AWS's fault.
func TestAbsent(t *testing.T) {
	for _, list := range [][]shape.Absent{
		ec2.Absent, iam.Absent, elasticache.Absent, elbv2.Absent, ecr.Absent, logs.Absent,
	} {
		for i, op := range Absent(list) {
			out, err := op.run(context.Background(), &Call{}, reflect.New(op.in).Interface())
			if err != nil {
				t.Errorf("%s: %v", op.name, err)
				continue
			}
			for f, v := range reflect.ValueOf(out).Elem().Fields() {
				if v.Kind() == reflect.Slice && (v.IsNil() || v.Len() > 0) {
					t.Errorf("%s: %s is %v", op.name, f.Name, v)
				}
			}
			for _, u := range list[i].Unknown {
				in := reflect.New(op.in)
				setText(in.Elem().FieldByName(u.Member), "some-name")
				_, err := op.run(context.Background(), &Call{}, in.Interface())
				if f, ok := errors.AsType[*fault.Error](err); !ok || f.Code != u.Code ||
					!strings.HasSuffix(f.Message, " 'some-name' does not exist") {
					t.Errorf("%s %s: %v, want %s", op.name, u.Member, err, u.Code)
				}
			}
		}
	}
}

// setText sets a string, or a list of strings.
func setText(v reflect.Value, text string) {
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.ValueOf(&text))
	case reflect.Slice:
		v.Set(reflect.ValueOf([]string{text}))
	default:
		v.SetString(text)
	}
}

func TestAbsentOnTheWire(t *testing.T) {
	desk, err := NewHandler(Config{Verifier: &sigv4.Verifier{Keys: identity.NewKeyRing(testKey)},
		Now: func() time.Time { return testNow }},
		Service{Name: "ec2", Protocols: []Protocol{EC2Query}, Version: ec2.APIVersion, Operations: Absent(ec2.Absent)},
		Service{Name: "logs", Protocols: []Protocol{JSON11}, TargetPrefix: "Logs", Operations: Absent(logs.Absent)})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		r    *http.Request
		want string
	}{
		{ec2Request("Action=DescribeVolumesModifications"), "<volumeModificationSet></volumeModificationSet>"},
		{ec2Request("Action=DescribeVpnGateways&VpnGatewayId.1=vgw-1"), "<Code>InvalidVpnGatewayID.NotFound</Code>" +
			"<Message>The vpnGateway ID &#39;vgw-1&#39; does not exist</Message>"},
		{request("logs", "application/x-amz-json-1.1", "Logs.DescribeDeliveries", "{}"), `{"deliveries":[]}`},
	} {
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, c.r)
		if !strings.Contains(w.Body.String(), c.want) {
			t.Errorf("%s, want %s", w.Body, c.want)
		}
	}
}
