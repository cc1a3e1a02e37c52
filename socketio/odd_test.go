package socketio_test

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// The server treats unusual packets as the official server does (socketio.md 1.2). Some are accepted, and then an echo
// still works. Others close the connection without an answer.
func TestOddInput(t *testing.T) {
	io := socketio.New(socketio.Options{})
	io.Of("/").On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	addr := serve(t, io)
	for _, c := range []struct {
		name, say string
		open      bool
	}{
		{"event without payload", `42`, true},
		{"empty array", `42[]`, false},
		{"null event", `42[null]`, false},
		{"object payload", `42{"a":1}`, false},
		{"broken JSON", `42["message"`, false},
		{"reserved event", `42["connect"]`, false},
		{"number as event", `42[1,"x"]`, true},
		{"ack without id", `43`, true},
		{"unknown ack", `4399["x"]`, true},
		{"connect error from a client", `44{"message":"x"}`, false},
		{"connecting twice", `40`, false},
		{"disconnect with payload", `41{}`, false},
		{"namespace not joined", `42/other,["a"]`, false},
		{"unknown namespace", `40/other`, true},
		{"connect with an array", `40/other,[1]`, false},
		{"connect with a string", `40/other,"s"`, false},
		{"connect with null", `40/other,null`, false},
		{"message without packet", `4`, false},
		{"unknown packet type", `47`, false},
		{"empty frame", ``, false},
		{"unknown transport packet", `7`, false},
		{"ping from a client", `2`, false},
		{"probe on an open connection", `2probe`, false},
		{"open from a client", `0`, true},
		{"pong unasked", `3`, true},
		{"upgrade unasked", `5`, true},
		{"noop", `6`, true},
		{"eleven attachments", `4511-["echo"]`, false},
		{"zero attachments", `450-["echo"]`, false},
		{"text among attachments", `451-["echo",{"_placeholder":true,"num":0}]|42["echo"]`, false},
		{"illegal attachment number", `451-["echo",{"_placeholder":true,"num":1}]`, false},
		{"negative attachment number", `451-["echo",{"num":-1,"_placeholder":true}]`, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := join(t, addr, "")
			for part := range strings.SplitSeq(c.say, "|") {
				p.say(part)
			}
			if !c.open {
				p.want("closed")
				return
			}
			p.say(`42["echo",1]`)
			got := p.next()
			if strings.HasPrefix(got, "44/other,") {
				if got != `44/other,{"message":"Invalid namespace"}` {
					t.Fatal(got)
				}
				got = p.next()
			}
			if got != `42["echo",1]` {
				t.Fatalf("after %q the echo is %q", c.say, got)
			}
		})
	}
}

func TestUnexpectedBinaryCloses(t *testing.T) {
	p := join(t, serve(t, socketio.New(socketio.Options{})), "")
	if err := p.Write(wsframe.Binary, []byte{1}); err != nil {
		t.Fatal(err)
	}
	p.want("closed")
}

func TestEventBeforeJoiningCloses(t *testing.T) {
	p := dial(t, serve(t, socketio.New(socketio.Options{})))
	p.say(`42["echo"]`)
	p.want("closed")
}

// socketio.md 1.1: frames above the limit are answered with close code 1009.
func TestTooLargeMessageCloses(t *testing.T) {
	opt := socketio.Options{}
	opt.Engine.MaxPayload = 1000
	p := join(t, serve(t, socketio.New(opt)), "")
	p.say(`42["echo","` + strings.Repeat("x", 1000) + `"]`)
	if f := p.frame(); f.Op != wsframe.Close || len(f.Data) != 2 || int(f.Data[0])<<8|int(f.Data[1]) != 1009 {
		t.Fatalf("%+v", f)
	}
}

// A packet may have ten attachments and not more (socketio.md 1.2). They come back in order.
func TestTenAttachments(t *testing.T) {
	io := socketio.New(socketio.Options{})
	io.Of("/").On("echo", func(s *socketio.Socket, e *socketio.Event) { _ = s.Emit("echo", &e.Args) })
	p := join(t, serve(t, io), "")
	var refs []string
	for i := range 10 {
		refs = append(refs, `{"_placeholder":true,"num":`+string(rune('0'+i))+`}`)
	}
	head := `4510-["echo",` + strings.Join(refs, ",") + `]`
	p.say(head)
	for i := range 10 {
		if err := p.Write(wsframe.Binary, []byte{byte(i)}); err != nil {
			t.Fatal(err)
		}
	}
	p.want(head)
	for i := range 10 {
		if f := p.frame(); f.Op != wsframe.Binary || f.Data[0] != byte(i) {
			t.Fatalf("attachment %d: %+v", i, f)
		}
	}
}
