package awswire

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/internal/identity"
)

// Calls at the same time do not affect each other.
func TestConcurrentCalls(t *testing.T) {
	desk := newTestDesk(t)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			for range 10 {
				name := fmt.Sprintf("c%d", i)
				w := httptest.NewRecorder()
				desk.ServeHTTP(w, ecsRequest("CreateCluster", `{"clusterName":"`+name+`"}`))
				if !strings.Contains(w.Body.String(), `cluster/`+name+`"`) {
					t.Errorf("%s: %s", name, w.Body)
				}
			}
		})
	}
	wg.Wait()
}

const benchBody = `{"family":"web","networkMode":"bridge","containerDefinitions":[{"name":"chat",` +
	`"image":"123456789012.dkr.ecr.us-east-1.amazonaws.com/chat:1",` +
	`"memory":128,"cpu":64,"essential":true,"portMappings":[{"containerPort":3000,"hostPort":0}],` +
	`"environment":[{"name":"REDIS","value":"redis:6379"}]}]}`

// BenchmarkDesk measures a whole call in this process. "x-verify" is its time divided by the time for verifying the
// signature, which every front desk must do.
func BenchmarkDesk(b *testing.B) {
	desk := newTestDesk(b)
	verifier := &sigv4.Verifier{Keys: identity.NewKeyRing(testKey)}
	const rounds = 2000
	began := time.Now()
	for range rounds {
		r := ecsRequest("RegisterTaskDefinition", benchBody)
		if _, err := verifier.Verify(r, sigv4.HashPayload([]byte(benchBody)), testNow); err != nil {
			b.Fatal(err)
		}
	}
	verify := time.Since(began) / rounds // includes making the request, as in the other loop
	for b.Loop() {
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, ecsRequest("RegisterTaskDefinition", benchBody))
		if w.Code != 200 {
			b.Fatal(w.Body)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(verify), "x-verify")
}

// BenchmarkNewHandler measures how long reading the shapes takes when the server starts.
func BenchmarkNewHandler(b *testing.B) {
	verifier := &sigv4.Verifier{Keys: identity.NewKeyRing(testKey)}
	services := (&toy{}).services()
	for b.Loop() {
		if _, err := NewHandler(Config{Verifier: verifier}, services...); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed())/float64(b.N)/float64(200*time.Millisecond), "of-the-start's-200ms")
}

// For every request, signed or not, the answer is well-formed and is not an internal failure.
func FuzzDesk(f *testing.F) {
	f.Add("POST", "/", "application/x-amz-json-1.1", ecs.TargetPrefix+".RegisterTaskDefinition", "ecs", benchBody, "")
	f.Add("POST", "/", "application/x-www-form-urlencoded", "", "elasticloadbalancing",
		"Action=CreateRule&Version=2015-12-01&Actions.member.1.Type=forward", "gzip")
	f.Add("GET", "/?Action=RunInstances&MinCount=1&MaxCount=%31&InstanceType=t3.micro", "", "", "ec2", "", "")
	f.Add("POST", granite+"SetAlarmState", "application/cbor", "", "monitoring", "\xa1\x69AlarmName\x61a", "")
	f.Add("PUT", "/a/../b?%zz", "text/plain", ".", "x/y", "\x00", "identity")
	desk := newTestDesk(f)
	f.Fuzz(func(t *testing.T, method, path, contentType, target, service, body, encoding string) {
		u, err := url.ParseRequestURI(path)
		if err != nil {
			return
		}
		r := &http.Request{Method: method, URL: u, Host: "127.0.0.1:4566", Header: http.Header{},
			Body: io.NopCloser(strings.NewReader(body))}
		for k, v := range map[string]string{
			"Content-Type": contentType, "X-Amz-Target": target, "Content-Encoding": encoding,
		} {
			if v != "" {
				r.Header.Set(k, v)
			}
		}
		if contentType == "application/cbor" {
			r.Header.Set("Smithy-Protocol", "rpc-v2-cbor")
		}
		if service != "" {
			sigv4.Sign(r, sigv4.Credentials{AccessKeyID: testKey.ID, SecretAccessKey: testKey.Secret},
				testRegion, service, sigv4.HashPayload([]byte(body)), testNow)
		}
		w := httptest.NewRecorder()
		desk.ServeHTTP(w, r)
		if w.Code >= 500 && !strings.Contains(body, "private") && !strings.Contains(body, "panic") {
			t.Errorf("%d %s", w.Code, w.Body)
		}
		if w.Code != 200 {
			if code, message := told(t, w); code == "" || message == "" {
				t.Errorf("a fault without code or message: %s", w.Body)
			}
		}
	})
}
