package edge

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/berthhq/berth/internal/elb"
)

func cookieNamed(res *http.Response, name string) *http.Cookie {
	for _, c := range res.Cookies() {
		if c.Name == name {
			return c
		}
	}
	return &http.Cookie{}
}

func withCookies(cookies ...*http.Cookie) func(*http.Request) {
	return func(r *http.Request) {
		for _, c := range cookies {
			r.AddCookie(c)
		}
	}
}

func stickyFront(t *testing.T, attributes map[string]string, targets int) (*front, []string) {
	f := newFront(t, nil)
	f.config.TargetGroups[0].Attributes = attributes
	var keys []string
	for i := range targets {
		keys = append(keys, f.target("tg", f.say(fmt.Sprint(i))))
	}
	f.apply()
	return f, keys
}

func TestLoadBalancerCookie(t *testing.T) {
	f, keys := stickyFront(t, map[string]string{"stickiness.enabled": "true"}, 3)
	res, first := f.get("/", nil)
	plain, cors := cookieNamed(res, "AWSALB"), cookieNamed(res, "AWSALBCORS")
	// alb.md K2, K3: both cookies, the same value, Expires in seven days, never Max-Age.
	if plain.Value == "" || plain.Value != cors.Value || plain.Path != "/" || plain.MaxAge != 0 ||
		cors.SameSite != http.SameSiteNoneMode || !cors.Secure || plain.Secure {
		t.Fatalf("cookies %v", res.Header.Values("Set-Cookie"))
	}
	if left := time.Until(plain.Expires); left < 7*24*time.Hour-time.Minute || left > 7*24*time.Hour {
		t.Errorf("Expires in %v", left)
	}
	for _, c := range []*http.Cookie{plain, cors} { // alb.md K4: either suffices
		for range 4 {
			res, body := f.get("/", withCookies(c))
			if body != first {
				t.Fatalf("%s led to %s, not %s", c.Name, body, first)
			}
			if again := cookieNamed(res, "AWSALB"); again.Value == "" || again.Value == plain.Value {
				t.Error("the cookie was not issued again") // alb.md K3
			}
		}
	}
	// alb.md K4: AWSALBCORS is used when AWSALB is invalid.
	if _, body := f.get("/", withCookies(&http.Cookie{Name: "AWSALB", Value: "broken"}, cors)); body != first {
		t.Errorf("led to %s, not %s", body, first)
	}
	// alb.md K5: the target drains: a new choice, a new cookie, and no way back.
	var i int
	fmt.Sscan(first, &i)
	f.drain(keys[i], time.Hour)
	f.apply()
	res, second := f.get("/", withCookies(plain))
	if second == first {
		t.Fatal("a draining target got a new request")
	}
	if e := f.entry(11); !e.NonSticky {
		t.Error("the entry does not tell that stickiness broke")
	}
	moved := cookieNamed(res, "AWSALB")
	for range 3 {
		if _, body := f.get("/", withCookies(moved)); body != second {
			t.Errorf("led to %s, not %s", body, second)
		}
	}
}

func TestSealedValues(t *testing.T) {
	s := must(newSealer([32]byte{1}))
	now := time.Unix(1_000_000, 0)
	id := idOf("target")
	v := s.seal("AWSALB", id, now)
	if got, ok := s.open("AWSALB", v, now.Add(10*time.Second), 10*time.Second); !ok || got != id {
		t.Error("a fresh value was not opened")
	}
	late := now.Add(900 * time.Millisecond)
	// alb.md K1: one second is one second
	if _, ok := s.open("AWSALB", s.seal("AWSALB", id, late), late.Add(time.Second), time.Second); !ok {
		t.Error("a value was not opened for as long as it binds")
	}
	if _, ok := s.open("AWSALB", v, now.Add(11*time.Second), 10*time.Second); ok { // alb.md K3: the duration is inside
		t.Error("an old value was opened")
	}
	if _, ok := s.open("AWSALBTG", v, now, time.Hour); ok {
		t.Error("one cookie's value was opened as another's")
	}
	if got, ok := must(newSealer([32]byte{1})).open("AWSALB", v, now, time.Hour); !ok || got != id {
		t.Error("a value does not survive a restart with the same key")
	}
	if _, ok := must(newSealer([32]byte{2})).open("AWSALB", v, now, time.Hour); ok {
		t.Error("another key opened it")
	}
	for i := range v {
		b := []byte(v)
		b[i] ^= 1
		if _, ok := s.open("AWSALB", string(b), now, time.Hour); ok {
			t.Fatalf("a value changed at %d was opened", i)
		}
	}
}

func FuzzOpenCookie(f *testing.F) {
	s := must(newSealer([32]byte{1}))
	f.Add("AAAA")
	f.Fuzz(func(t *testing.T, v string) {
		if _, ok := s.open("AWSALB", v, time.Now(), time.Hour); ok {
			t.Error("a made-up value was opened")
		}
	})
}

func TestTargetGroupCookie(t *testing.T) { // alb.md K20, K21
	f := newFront(t, nil)
	f.group("blue", nil)
	f.group("green", nil)
	split := forward("blue", "green")
	split.Forward.StickySeconds = 60
	f.rule(1, onPath("/*"), split)
	f.target("blue", f.say("blue"))
	f.target("green", f.say("green"))
	f.apply()
	res, first := f.get("/", nil)
	c := cookieNamed(res, "AWSALBTG")
	if c.Value == "" || cookieNamed(res, "AWSALBTGCORS").Value != c.Value || cookieNamed(res, "AWSALB").Value != "" {
		t.Fatalf("cookies %v", res.Header.Values("Set-Cookie"))
	}
	// A client stays with its target group even when the group's weight becomes 0.
	moved := forward("blue", "green")
	moved.Forward.StickySeconds = 60
	for i, g := range []string{"blue", "green"} {
		if g == first {
			moved.Forward.TargetGroups[i].Weight = 0
		}
	}
	f.config.Rules[len(f.config.Rules)-1].Actions = []elb.Action{moved}
	f.apply()
	for range 5 {
		if _, body := f.get("/", withCookies(c)); body != first {
			t.Fatalf("led to %s, not %s", body, first)
		}
		if _, body := f.get("/", nil); body == first {
			t.Fatal("a group of weight 0 got a new client")
		}
	}
}

func TestApplicationCookie(t *testing.T) { // alb.md K10-K12
	f := newFront(t, nil)
	f.config.TargetGroups[0].Attributes = map[string]string{"stickiness.enabled": "true",
		"stickiness.type": elb.AppCookie, "stickiness.app_cookie.cookie_name": "sess"}
	for i := range 2 {
		f.target("tg", f.server(func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/login" {
				w.Header().Set("Set-Cookie", "sess=abc; Path=/")
			}
			io.WriteString(w, fmt.Sprint(i))
		}))
	}
	f.apply()
	if res, _ := f.get("/", nil); len(res.Cookies()) > 0 {
		t.Errorf("stickiness began before the target set its cookie: %v", res.Cookies())
	}
	res, first := f.get("/login", nil)
	bound := cookieNamed(res, "AWSALBAPP-0")
	if bound.Value == "" {
		t.Fatalf("cookies %v", res.Cookies())
	}
	for range 4 {
		if _, body := f.get("/", withCookies(bound, &http.Cookie{Name: "sess", Value: "abc"})); body != first {
			t.Errorf("led to %s, not %s", body, first)
		}
	}
	seen := map[string]bool{}
	for range 4 { // alb.md K12: the client must return both
		_, body := f.get("/", withCookies(bound))
		seen[body] = true
	}
	if len(seen) != 2 {
		t.Errorf("bound without the application's cookie: %v", seen)
	}
}

func TestCookieParsing(t *testing.T) {
	header := []struct{ Name, Value string }{{"cookie", "a=1; AWSALB=x=y;b=2"}, {"Cookie", "AWSALBCORS=z"}}
	for name, want := range map[string]string{"a": "1", "AWSALB": "x=y", "b": "2", "AWSALBCORS": "z"} {
		if got, ok := cookie(header, name); !ok || got != want {
			t.Errorf("%s = %q, %v", name, got, ok)
		}
	}
	if _, ok := cookie(header, "c"); ok {
		t.Error("found what is not there")
	}
	if strings.Contains(string(appendCookie(nil, "n", "v", "e", "")), "Max-Age") {
		t.Error("Max-Age") // alb.md K2
	}
}
