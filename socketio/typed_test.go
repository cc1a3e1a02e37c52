package socketio_test

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/berthhq/berth/socketio"
)

// A handler that has been quick may wait, even for its own client, and all other clients are served meanwhile.
func TestQuickHandlerThatWaits(t *testing.T) {
	io := socketio.New(socketio.Options{})
	free := make(chan struct{})
	io.Of("/").On("work", socketio.Answer(func(ctx context.Context, s *socketio.Socket, how string) (string, error) {
		switch how {
		case "ask":
			answer, err := s.EmitWithAck(ctx, "question")
			if err != nil {
				return "", err
			}
			err = answer.Decode(0, &how)
			return how, err
		case "wait":
			<-free
		}
		return how, nil
	}))
	addr := serve(t, io)
	clients := make([]*peer, 20) // several for each loop
	for i := range clients {
		clients[i] = join(t, addr, "")
	}
	everybody := func() {
		t.Helper()
		for _, c := range clients {
			c.say(`421["work","x"]`)
		}
		for _, c := range clients {
			c.want(`431["x"]`)
		}
	}
	for range 20 {
		everybody()
	}
	slow := join(t, addr, "")
	slow.say(`421["work","ask"]`)
	slow.want(`420["question"]`)
	slow.say(`430["mine"]`)
	slow.want(`431["mine"]`)
	for range 20 {
		everybody()
	}
	slow.say(`421["work","wait"]`)
	everybody()
	close(free)
	slow.want(`431["wait"]`)
}

// Typed handlers get arguments and return answers of every simple type and of structs, and refuse arguments of the
// wrong type. Values that a handler keeps do not change when later events come.
func TestTypedValues(t *testing.T) {
	io := socketio.New(socketio.Options{})
	ns := io.Of("/")
	type point struct{ X, Y int }
	same[string](ns, "string")
	same[int](ns, "int")
	same[int64](ns, "int64")
	same[float64](ns, "float64")
	same[bool](ns, "bool")
	same[point](ns, "struct")
	same[*int](ns, "pointer")
	same[any](ns, "any")
	var kept []string
	ns.On("keep", socketio.Typed2(func(s *socketio.Socket, a, b string) { kept = append(kept, a, b) }))
	ns.On("kept", socketio.Answer(func(context.Context, *socketio.Socket, any) ([]string, error) { return kept, nil }))
	p := join(t, serve(t, io), "")
	long := strings.Repeat("long ", 100)
	for _, c := range []struct{ event, send, want string }{
		{"string", `""`, `""`},
		{"string", `"a\"\n\u20ac€"`, `"a\"\n€€"`},
		{"string", `"` + long + `"`, `"` + long + `"`},
		{"string", `null`, `""`},
		{"int", `-12`, `-12`},
		{"int", `1e2`, ``},
		{"int", `"1"`, ``},
		{"int", `99999999999999999999`, ``},
		{"int64", `9007199254740993`, `9007199254740993`},
		{"float64", `1.5e3`, `1500`},
		{"float64", `-0.25`, `-0.25`},
		{"bool", `true`, `true`},
		{"bool", `0`, ``},
		{"struct", `{"X":1,"y":2}`, `{"X":1,"Y":2}`},
		{"struct", `[1]`, ``},
		{"pointer", `null`, `null`},
		{"pointer", `7`, `7`},
		{"any", `{"a":[1,null,"x"]}`, `{"a":[1,null,"x"]}`},
	} {
		p.say(fmt.Sprintf(`425[%q,%s]`, c.event, c.send))
		got := p.next()
		if c.want == "" {
			if !strings.HasPrefix(got, `435[{"error":"argument 0: `) {
				t.Errorf("%s of %s is answered %s", c.event, c.send, got)
			}
		} else if got != `435[`+c.want+`]` {
			t.Errorf("%s of %s is answered %s", c.event, c.send, got)
		}
	}
	for i := range 3 {
		p.say(fmt.Sprintf(`42["keep","%d%s","%d"]`, i, strings.Repeat("x", 50), i))
	}
	p.say(`429["kept"]`)
	x := strings.Repeat("x", 50)
	p.want(fmt.Sprintf(`439[["0%s","0","1%s","1","2%s","2"]]`, x, x, x))
}

// same answers an event with its argument.
func same[T any](ns *socketio.Namespace, event string) {
	ns.On(event, socketio.Answer(func(_ context.Context, _ *socketio.Socket, v T) (T, error) { return v, nil }))
}
