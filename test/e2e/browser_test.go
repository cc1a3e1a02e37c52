package e2e

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/awswire/sigv4"
	"github.com/berthhq/berth/test/harness"
)

// call is a request that creates a key pair if it is accepted.
type call struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`
	Headers map[string]string `json:"headers,omitempty"`
	Body    string            `json:"body,omitempty"`
}

// calls are the ways in which a page can send a request. Those of the first list reach the server from any page.
// Browsers send the others only if the server has agreed, and do not show the answer to the page.
var (
	simple = []string{
		"image", "imageWithoutReferrer", "script", "style", "video", "frame", "formGet", "formPost", "noCorsGet",
		"noCorsGetWithLanguage", "noCorsHead", "noCorsPost", "beacon", "navigation", "reset",
	}
	asked = []string{"corsGet", "corsPostSignedInHeader", "corsGetSignedInHeader", "webSocket"}
	// rebound are the ways of a page that has the server's own origin by DNS rebinding. With IP addresses and localhost
	// there is no such page.
	rebound = []string{"rebound", "reboundSignedInHeader", "reboundPost"}
)

// No web page can use the development credentials, whatever name of the server it uses and in whatever way it sends
// the request. Programs can, with every name.
func TestWebPagesCannotCall(t *testing.T) {
	harness.Need(t, harness.DockerEngine(), chromium, nodeJS)
	s := server{harness.Start(t, harness.Config{
		Edge: edgeAddr, Listen: "0.0.0.0:0",
		Args: []string{"--allow-host", "berth.example.org", "--allow-host", ".lab.example"},
	})}
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	hosts := map[string]bool{ // and whether a page could get the name by DNS
		"127.0.0.1": false, "localhost": false, "a.localhost": false, machineAddress(t): false,
		"berth.example.org": true, "a.lab.example": true, "x.localhost.localstack.cloud": true,
		"ec2.us-east-1.amazonaws.com": true, "host.docker.internal": true,
	}
	type target struct {
		Origin string          `json:"origin"`
		Calls  map[string]call `json:"calls"`
	}
	var in struct {
		Rules   string   `json:"rules"`
		Targets []target `json:"targets"`
	}
	in.Rules = "MAP evil.example 127.0.0.1"
	for host, byDNS := range hosts {
		in.Rules += ",MAP " + host + " 127.0.0.1"
		x := target{Origin: "http://" + host + ":" + port, Calls: map[string]call{}}
		for _, name := range slices.Concat(simple, asked, rebound) {
			x.Calls[name] = forge(t, x.Origin, name)
		}
		if !byDNS {
			for _, name := range rebound {
				delete(x.Calls, name)
			}
			x.Calls["rebound"], x.Calls["reboundSignedInHeader"], x.Calls["reboundPost"] = health(x.Origin,
				1), health(x.Origin, 2), health(x.Origin, 3)
		}
		in.Targets = append(in.Targets, x)
	}
	in.Rules = strings.Replace(in.Rules, ",MAP "+machineAddress(t)+" 127.0.0.1", "", 1)
	var got map[string]map[string]any
	text, err := json.Marshal(in)
	if err != nil {
		t.Fatal(err)
	}
	out := runNodeOn(t, text, "js/attack.mjs")
	if err := json.Unmarshal(out, &got); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	for _, x := range in.Targets {
		host := strings.TrimSuffix(strings.TrimPrefix(x.Origin, "http://"), ":"+port)
		for name := range x.Calls {
			answer := fmt.Sprint(got[x.Origin][name])
			switch {
			case strings.HasPrefix(name, "rebound") && !hosts[host]:
				if answer != "200" {
					t.Errorf("%s: a page of the server's own gets %s", host, answer)
				}
			case answer == "403" || answer == "failed" && slices.Contains(asked, name):
			default:
				t.Errorf("%s: %s of a web page is answered %s", host, name, answer)
			}
		}
	}
	if pairs := s.Ask(t, "ec2", "DescribeKeyPairs", nil).All("keyName"); len(pairs) > 0 {
		t.Errorf("web pages have made the key pairs %q", pairs)
	}
	// The same requests by a program are carried out.
	for _, x := range in.Targets {
		if status := sendAs(t, s, x.Calls["image"]); status != http.StatusOK {
			t.Errorf("%s by a program is answered %d", x.Calls["image"].URL, status)
		}
	}
	if pairs := s.Ask(t, "ec2", "DescribeKeyPairs", nil).All("keyName"); len(pairs) != len(hosts) {
		t.Errorf("a program has made the key pairs %q, want one for each of %d names", pairs, len(hosts))
	}
}

// health is a request that a page of the server's own may send.
func health(origin string, n int) call {
	return call{URL: fmt.Sprintf("%s/_berth/health?%d", origin, n), Method: http.MethodGet}
}

// forge makes a request as a page can that knows the development credentials.
func forge(t *testing.T, origin, name string) call {
	t.Helper()
	method := http.MethodGet
	switch {
	case name == "noCorsHead":
		method = http.MethodHead
	case name == "reset":
		return call{URL: origin + "/_berth/reset", Method: http.MethodPost}
	case strings.Contains(name, "Post") || name == "beacon":
		method = http.MethodPost
	}
	key := strings.NewReplacer("http://", "", ":", "-").Replace(origin) + "-" + name
	form := url.Values{"Action": {"CreateKeyPair"}, "Version": {"2016-11-15"}, "KeyName": {key}}
	c := sigv4.Credentials{AccessKeyID: "test", SecretAccessKey: "test"}
	made := call{Method: method}
	if name == "noCorsGetWithLanguage" {
		made.Headers = map[string]string{"Accept-Language": "*"}
	}
	if !strings.HasSuffix(name, "SignedInHeader") && name != "reboundPost" {
		r, err := http.NewRequestWithContext(t.Context(), method, origin+"/?"+form.Encode(), nil)
		if err != nil {
			t.Fatal(err)
		}
		sigv4.Presign(r, c, "us-east-1", "ec2", time.Now(), time.Hour)
		made.URL = r.URL.String()
		return made
	}
	made.URL = origin + "/?" + form.Encode()
	if method == http.MethodPost {
		made.URL, made.Body = origin+"/?"+name, form.Encode()
	}
	r, err := http.NewRequestWithContext(t.Context(), method, made.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	if method == http.MethodPost {
		r.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	}
	sigv4.Sign(r, c, "us-east-1", "ec2", sigv4.HashPayload([]byte(made.Body)), time.Now())
	made.Headers = map[string]string{}
	for k := range r.Header {
		made.Headers[k] = r.Header.Get(k)
	}
	return made
}

// machineAddress returns an address of this machine that is not loopback.
func machineAddress(t *testing.T) string {
	t.Helper()
	addrs, err := net.InterfaceAddrs()
	if err != nil {
		t.Fatal(err)
	}
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && n.IP.IsGlobalUnicast() {
			return n.IP.String()
		}
	}
	t.Skip("this machine has no address but loopback")
	return ""
}

// sendAs sends a request as a program for which every name resolves to the server.
func sendAs(t *testing.T, s server, c call) int {
	t.Helper()
	_, port, err := net.SplitHostPort(s.Addr())
	if err != nil {
		t.Fatal(err)
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true,
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, "127.0.0.1:"+port)
		}}}
	r, err := http.NewRequestWithContext(t.Context(), c.Method, c.URL, nil)
	if err != nil {
		t.Fatal(err)
	}
	resp, err := client.Do(r)
	if err != nil {
		t.Fatal(err)
	}
	resp.Body.Close()
	return resp.StatusCode
}
