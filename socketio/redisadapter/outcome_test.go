package redisadapter

import (
	"context"
	"strings"
	"testing"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/internal/testenv"
)

// noting is a node that records the events that are applied.
type noting chan string

func (noting) Name() string                                             { return "/" }
func (noting) HasRoom(string) bool                                      { return true }
func (noting) Answer(context.Context, *adapter.Op, func(adapter.Reply)) {}
func (n noting) Apply(op *adapter.Op)                                   { n <- string(op.Payload.JSON) }

func (n noting) want(t *testing.T, text string) {
	t.Helper()
	select {
	case got := <-n:
		if got != text {
			t.Fatalf("%s is applied, want %s", got, text)
		}
	case <-time.After(10 * time.Second):
		t.Fatalf("%s is not applied", text)
	}
}

// If an entry fails and the next one of the same pipeline succeeds, both are applied, even if the next one is read from
// the stream before the failure is known.
func TestEntryThatFailsAlone(t *testing.T) {
	r := testenv.StartRedis(t)
	client := redis.NewClient(&redis.Options{Addr: strings.TrimPrefix(r.URL(), "redis://")})
	defer client.Close()
	if err := client.Set(t.Context(), "not a stream", 1, 0).Err(); err != nil {
		t.Fatal(err)
	}
	s := NewStreams(client, StreamOptions{}, Options{})
	node := make(noting, 10)
	joined, err := s.Connect(node)
	if err != nil {
		t.Fatal(err)
	}
	defer joined.Close()
	publish := func(text string) {
		op := &adapter.Op{Kind: adapter.Broadcast, Payload: adapter.Payload{JSON: []byte(text)}}
		if applies, err := joined.Publish(op); err != nil || !applies {
			t.Fatal(applies, err)
		}
	}
	hook := holding{sent: make(chan struct{}), answered: make(chan struct{})}
	client.AddHook(hook)
	publish(`["before"]`)
	<-hook.sent // entries from now on go into one pipeline
	publish(`["fails"]`)
	publish(`["succeeds"]`)
	hook.answered <- struct{}{}
	node.want(t, `["before"]`)
	<-hook.sent
	node.want(t, `["succeeds"]`)
	hook.answered <- struct{}{}
	node.want(t, `["fails"]`)
}

// holding delays the results of pipelines until the test releases them, and makes Redis refuse the entry "fails".
type holding struct{ sent, answered chan struct{} }

func (holding) DialHook(next redis.DialHook) redis.DialHook          { return next }
func (holding) ProcessHook(next redis.ProcessHook) redis.ProcessHook { return next }

func (h holding) ProcessPipelineHook(next redis.ProcessPipelineHook) redis.ProcessPipelineHook {
	return func(ctx context.Context, commands []redis.Cmder) error {
		if commands[0].Name() != "xadd" {
			return next(ctx, commands)
		}
		for _, c := range commands {
			if strings.Contains(c.String(), "fails") {
				c.Args()[1] = "not a stream"
			}
		}
		err := next(ctx, commands)
		h.sent <- struct{}{}
		<-h.answered
		return err
	}
}
