package main

import (
	"context"
	"encoding/json"
	"errors"
	"log/slog"
	"strings"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio"
)

const (
	maxName = 32
	maxText = 2000
	askFor  = 2 * time.Second // time limit of the question who is online
)

// person is a client as other clients see it. It is the data of the client's socket, which other servers can read.
type person struct {
	ID     string `json:"id"`
	Name   string `json:"name"`
	Server where  `json:"server"`
}

type message struct {
	ID     string    `json:"id"`
	From   person    `json:"from"`
	Text   string    `json:"text"`
	At     time.Time `json:"at"`
	Server where     `json:"server"`
}

// list is the users that are online. Partial is true when other servers could not be asked.
type list struct {
	People  []person `json:"people"`
	Partial bool     `json:"partial"`
}

type chat struct {
	here where
	log  *slog.Logger

	mu   sync.Mutex
	ns   *socketio.Namespace
	lost bool
}

func newChat(here where, log *slog.Logger) *chat { return &chat{here: here, log: log} }

func (c *chat) serve(io *socketio.Server) {
	ns := io.Of("/")
	c.mu.Lock()
	c.ns = ns
	c.mu.Unlock()
	ns.OnConnect(c.enter)
	ns.On("message", socketio.Answer(c.say))
	ns.On("who", socketio.Answer(func(ctx context.Context, _ *socketio.Socket, _ json.RawMessage) (list, error) {
		return c.who(ctx), nil
	}))
	ns.On("typing", socketio.Typed(func(s *socketio.Socket, _ json.RawMessage) {
		c.tell(s.Broadcast().Volatile().Emit("typing", me(s)))
	}))
	ns.OnDisconnect(func(s *socketio.Socket, _ socketio.Reason) { c.tell(ns.Emit("left", me(s))) })
}

// enter greets a client and announces it to the others.
func (c *chat) enter(s *socketio.Socket) {
	var auth struct{ Name string }
	_ = json.Unmarshal(s.Handshake().Auth, &auth) // a client without a name gets one
	name := []rune(strings.TrimSpace(auth.Name))
	if len(name) == 0 {
		name = []rune("guest-" + s.ID()[:4])
	}
	p := person{ID: s.ID(), Name: string(name[:min(len(name), maxName)]), Server: c.here}
	s.SetData(p)
	c.mu.Lock()
	lost := c.lost
	c.mu.Unlock()
	c.tell(s.Emit("welcome", map[string]any{"you": p, "server": c.here, "redis": !lost}))
	c.tell(s.Broadcast().Emit("joined", p))
}

func me(s *socketio.Socket) person {
	p, _ := socketio.DataOf[person](s)
	return p
}

var errText = errors.New("a message is 1 to 2000 characters of text")

// say sends a message to all clients and returns its id.
func (c *chat) say(_ context.Context, s *socketio.Socket, text string) (map[string]string, error) {
	text = strings.TrimSpace(text)
	if text == "" || len([]rune(text)) > maxText {
		return nil, errText
	}
	m := message{ID: s.ID()[:6] + "-" + time.Now().Format("150405.000000"), From: me(s), Text: text,
		At: time.Now().UTC(), Server: c.here}
	return map[string]string{"id": m.ID}, s.Namespace().Emit("message", m)
}

// who asks all servers for their clients.
func (c *chat) who(ctx context.Context) list {
	ctx, cancel := context.WithTimeout(ctx, askFor)
	defer cancel()
	sockets, err := c.ns.All().Sockets(ctx)
	out := list{People: []person{}, Partial: err != nil}
	for _, s := range sockets {
		var p person
		if json.Unmarshal(s.Data, &p) == nil && p.Name != "" {
			p.ID = s.ID
			out.People = append(out.People, p)
		}
	}
	return out
}

// redisChanged informs the local clients whether they can reach those of other servers.
func (c *chat) redisChanged(lost bool) {
	c.mu.Lock()
	c.lost = lost
	ns := c.ns
	c.mu.Unlock()
	if ns != nil {
		c.tell(ns.All().Local().Emit("redis", !lost))
	}
}

func (c *chat) tell(err error) {
	if err != nil {
		c.log.Error("not sent", "error", err)
	}
}
