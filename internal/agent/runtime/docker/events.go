package docker

import (
	"context"
	"strings"
	"time"

	"github.com/moby/moby/api/types/events"
	"github.com/moby/moby/client"

	"github.com/berthhq/berth/internal/agent/runtime"
)

// Watch subscribes to the events of containers.
func (e *Engine) Watch(ctx context.Context) (<-chan runtime.Event, error) {
	ctx, cancel := context.WithCancel(ctx)
	stream := e.api.Events(ctx, client.EventsListOptions{
		Filters: client.Filters{}.Add("type", string(events.ContainerEventType)),
	})
	// A refused subscription has already failed when Events returns.
	select {
	case err := <-stream.Err:
		cancel()
		return nil, wrap(err)
	default:
	}
	out := make(chan runtime.Event)
	go func() {
		defer close(out)
		defer cancel()
		for {
			select {
			case message := <-stream.Messages:
				event, ok := translate(message)
				if !ok {
					continue
				}
				select {
				case out <- event:
				case <-ctx.Done():
					return
				}
			case <-stream.Err:
				return
			}
		}
	}()
	return out, nil
}

func translate(m events.Message) (runtime.Event, bool) {
	event := runtime.Event{ContainerID: m.Actor.ID, At: time.Unix(0, m.TimeNano)}
	action := string(m.Action)
	switch {
	case action == "start":
		event.Kind = runtime.EventStarted
	case action == "die":
		event.Kind = runtime.EventDied
	case action == "destroy":
		event.Kind = runtime.EventRemoved
	case strings.HasPrefix(action, "health_status: "):
		event.Kind, event.Health = runtime.EventHealth, strings.TrimPrefix(action, "health_status: ")
	default:
		return event, false
	}
	return event, true
}
