package redisadapter

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"strings"
	"sync"

	"github.com/berthhq/berth/socketio/adapter"
)

// classic is the membership of one namespace in the cluster.
type classic struct {
	c    *hub
	node adapter.Node
	uid  string

	broadcast, request, response, own string

	mu      sync.Mutex
	pending map[string]question
}

// newID returns the six characters by which JavaScript servers name nodes and requests.
func newID() string {
	var b [5]byte
	_, _ = rand.Read(b[:]) // never fails
	return base64.RawURLEncoding.EncodeToString(b[:])[:6]
}

func newClassic(c *hub, node adapter.Node) *classic {
	p, nsp, uid := c.opt.Prefix, node.Name(), newID()
	return &classic{
		c: c, node: node, uid: uid,
		broadcast: p + "#" + nsp + "#",
		request:   p + "-request#" + nsp + "#",
		response:  p + "-response#" + nsp + "#",
		own:       p + "-response#" + nsp + "#" + uid + "#",
		pending:   make(map[string]question),
	}
}

func (a *classic) channels() []string { return []string{a.request, a.response, a.own} }

// pattern matches the broadcast channel and those of rooms. Characters of the namespace's name that
// are wildcards in Redis are quoted.
func (a *classic) pattern() string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`, `]`, `\]`).Replace(a.broadcast) + "*"
}

// Close implements adapter.Adapter.
func (a *classic) Close() error { return a.c.leave(a.pattern(), a.channels()...) }

// receive handles what came on one of the namespace's channels. It does not wait for clients.
func (a *classic) receive(ctx context.Context, channel string, body []byte) {
	var err error
	switch channel {
	case a.request:
		err = a.onRequest(ctx, body)
	case a.response, a.own:
		err = a.onResponse(body)
	default:
		err = a.onBroadcast(channel, body)
	}
	if err != nil {
		a.c.log.Warn("redisadapter: not understood", "channel", channel, "bytes", len(body), "error", err)
	}
}

func (a *classic) onBroadcast(channel string, body []byte) error {
	rest := strings.TrimPrefix(channel, a.broadcast)
	if room, ok := strings.CutSuffix(rest, "#"); ok && !a.node.HasRoom(room) {
		return nil // before anything is decoded
	} else if rest != "" && !ok {
		return nil // for another namespace, or unknown
	}
	uid, op, err := decodeBroadcast(body, a.node.Name())
	if err != nil || op == nil || uid == a.uid {
		return err
	}
	a.node.Apply(op)
	return nil
}
