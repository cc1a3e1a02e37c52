package socketio

import (
	"context"
	"encoding/json"
	"fmt"
)

// Typed returns a handler that decodes the event's first argument and calls f with it. If the argument cannot be
// decoded as a T, f is not called, and the client gets {"error": text} if it waits for an acknowledgement. An argument
// that was not sent is T's zero value.
func Typed[T any](f func(s *Socket, v T)) Handler {
	return func(s *Socket, e *Event) {
		in := arguments(e)
		if v := next[T](&in); in.ok() {
			f(s, v)
		}
	}
}

// Typed2 is Typed for two arguments.
func Typed2[A, B any](f func(s *Socket, a A, b B)) Handler {
	return func(s *Socket, e *Event) {
		in := arguments(e)
		if a, b := next[A](&in), next[B](&in); in.ok() {
			f(s, a, b)
		}
	}
}

// Typed3 is Typed for three arguments.
func Typed3[A, B, C any](f func(s *Socket, a A, b B, c C)) Handler {
	return func(s *Socket, e *Event) {
		in := arguments(e)
		if a, b, c := next[A](&in), next[B](&in), next[C](&in); in.ok() {
			f(s, a, b, c)
		}
	}
}

// Answer returns a handler that decodes the event's first argument as Typed does, and acknowledges the event with the
// result of f. An error is sent as {"error": text}. The context of f ends when the client is disconnected.
func Answer[T, R any](f func(ctx context.Context, s *Socket, v T) (R, error)) Handler {
	return func(s *Socket, e *Event) {
		in := arguments(e)
		if v := next[T](&in); in.ok() {
			result, err := f(s.Context(), s, v)
			answer(e, &result, err)
		}
	}
}

// Answer2 is Answer for two arguments.
func Answer2[A, B, R any](f func(ctx context.Context, s *Socket, a A, b B) (R, error)) Handler {
	return func(s *Socket, e *Event) {
		in := arguments(e)
		if a, b := next[A](&in), next[B](&in); in.ok() {
			result, err := f(s.Context(), s, a, b)
			answer(e, &result, err)
		}
	}
}

// Answer3 is Answer for three arguments.
func Answer3[A, B, C, R any](f func(ctx context.Context, s *Socket, a A, b B, c C) (R, error)) Handler {
	return func(s *Socket, e *Event) {
		in := arguments(e)
		if a, b, c := next[A](&in), next[B](&in), next[C](&in); in.ok() {
			result, err := f(s.Context(), s, a, b, c)
			answer(e, &result, err)
		}
	}
}

// answer acknowledges e with the result or the error. A result that cannot be encoded is not sent; the client then
// waits until its own time limit ends.
func answer[R any](e *Event, result *R, err error) {
	switch {
	case err != nil:
		e.fail(err)
	case !e.ackValue(result):
		_ = e.Ack(*result)
	}
}

// decoder decodes the arguments of an event one after the other. It keeps the first error.
type decoder struct {
	e    *Event
	rest values
	n    int // arguments decoded
	err  error
}

// arguments returns a decoder for an event. It may only be used by handlers that do not keep the Event; they may keep
// its arguments.
func arguments(e *Event) decoder {
	e.reusable = true
	return decoder{e: e, rest: values{e.Args.json}}
}

// next decodes the next argument. One that was not sent is the zero value.
func next[T any](d *decoder) (v T) {
	raw := d.rest.next()
	if raw == nil || d.err != nil || d.e.Args.decodeSimple(raw, &v) {
		d.n++
		return v
	}
	p := new(T) // json.Unmarshal makes what it is given escape to the heap, so v is not given to it
	if err := json.Unmarshal(d.e.Args.inline(raw), p); err != nil {
		d.err = fmt.Errorf("argument %d: %w", d.n, err)
	}
	d.n++
	return *p
}

// ok reports whether all arguments were decoded. If not, it sends the client the error.
func (d *decoder) ok() bool {
	if d.err != nil {
		d.e.fail(d.err)
	}
	return d.err == nil
}

// fail acknowledges the event with {"error": text}, if the client waits for an acknowledgement.
func (e *Event) fail(err error) {
	_ = e.Ack(map[string]string{"error": err.Error()})
	e.socket.ns.srv.log.Debug("socketio: event not handled", "event", e.Name, "error", err)
}
