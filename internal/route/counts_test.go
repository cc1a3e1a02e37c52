package route

import (
	"encoding/json"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func drawCounts(rt *rapid.T, name string) (c Counts) {
	for range rapid.IntRange(0, 8).Draw(rt, name+" counters") {
		c[rapid.IntRange(0, int(Counters)-1).Draw(rt, name+" counter")] = rapid.Uint64Range(0, 1<<40).Draw(rt, name)
	}
	return c
}

// Counts are the same after they were sent. Zeros are not sent.
func TestCountsAreSentByName(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		c := drawCounts(rt, "counts")
		text, err := json.Marshal(c)
		if err != nil {
			rt.Fatal(err)
		}
		var back Counts
		if err := json.Unmarshal(text, &back); err != nil || back != c {
			rt.Fatalf("%s is read as %v, %v", text, back, err)
		}
		for i, n := range c {
			if sent := strings.Contains(string(text), `"`+Counter(i).String()+`":`); sent != (n > 0) {
				rt.Fatalf("%s of %d is sent: %v", Counter(i), n, sent)
			}
		}
	})
	var c Counts
	if err := json.Unmarshal([]byte(`{"requests":3,"a_counter_of_later":9}`), &c); err != nil || c[Requests] != 3 {
		t.Errorf("counts of a later version: %v, %v", c[Requests], err)
	}
	if err := json.Unmarshal([]byte(`{"requests":-1}`), &c); err == nil {
		t.Error("a negative count was read")
	}
}

// Since returns what has grown between two counts; Add of that to the earlier gives the later. It returns
// false if the first is not the later one.
func TestSinceAndAdd(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		earlier, more := drawCounts(rt, "earlier"), drawCounts(rt, "more")
		later := earlier
		later.Add(&more)
		grown, ok := later.Since(&earlier)
		if !ok || grown != more {
			rt.Fatalf("grown %v, %v, want %v", grown, ok, more)
		}
		if _, ok := earlier.Since(&later); ok != (more == Counts{}) {
			rt.Fatalf("the earlier counts are accepted as later ones: %v", ok)
		}
	})
}

// Every counter has its own name, which never changes.
func TestCounterNames(t *testing.T) {
	seen := map[string]Counter{}
	for c := range Counters {
		name := c.String()
		if other, there := seen[name]; there || name == "" {
			t.Errorf("counters %d and %d are named %q", c, other, name)
		}
		seen[name] = c
	}
	for name, want := range map[string]Counter{
		"requests": Requests, "answered_1xx": Answered, "answered_5xx": Answered + 4, "target_2xx": TargetStatus + 1,
		"own_5xx": OwnStatus + 4, "groupless_4xx": GrouplessStatus + 3, "own_502": Own502, "redirects": Redirects,
		"responses_within_5ms": ResponsesWithin, "responses_within_10s": ResponsesWithin + 10,
		"responses_within_other": responsesWithinOther, "response_ns": ResponseNanoseconds, "websockets": WebSockets,
	} {
		if seen[name] != want {
			t.Errorf("%s is counter %d, want %d", name, seen[name], want)
		}
	}
	for i := 1; i < len(ResponseBounds); i++ {
		if ResponseBounds[i] <= ResponseBounds[i-1] {
			t.Errorf("bound %v follows %v", ResponseBounds[i], ResponseBounds[i-1])
		}
	}
}
