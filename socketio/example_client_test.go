package socketio_test

import (
	"net"
	"net/http"

	"github.com/berthhq/berth/socketio"
	"github.com/berthhq/berth/socketio/internal/lean"
	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// exampleClient is a client that shows its packets. It panics if the connection fails.
type exampleClient struct {
	*lean.Client
	frames chan lean.Frame
}

// connect serves io and joins the main namespace.
func connect(io *socketio.Server) *exampleClient {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		panic(err)
	}
	go func() { _ = http.Serve(ln, io) }()
	c := &exampleClient{frames: make(chan lean.Frame, 100)}
	c.Client, err = lean.Dial(new(link.Group), ln.Addr().String(), "/socket.io/?EIO=4&transport=websocket",
		func(_ *lean.Client, f lean.Frame) { c.frames <- f })
	if err != nil {
		panic(err)
	}
	c.next() // the handshake
	c.say("40")
	c.next() // the answer to it
	return c
}

func (c *exampleClient) say(packet string) {
	if err := c.Send(packet); err != nil {
		panic(err)
	}
}

// next returns the next frame, or "closed".
func (c *exampleClient) next() string {
	f := <-c.frames
	if f.Op == wsframe.Close {
		return "closed"
	}
	return string(f.Data)
}
