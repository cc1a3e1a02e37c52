package socketio

import (
	"context"
	"encoding/json"
	"fmt"
)

// Typed returns a handler that decodes the event's first argument and calls f. An event whose argument does not
// fit is answered with an error object when the client asked for an answer, and dropped otherwise. A
// missing argument is the zero value, as one that is undefined in JavaScript.
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

// Answer makes a handler of a function whose result is the acknowledgement. Its context ends when the
// client is disconnected. An error is sent as {"error": text}.
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

// answer acknowledges e. A result that cannot be encoded is not sent: the client's time limit ends.
func answer[R any](e *Event, result *R, err error) {
	switch {
	case err != nil:
		e.fail(err)
	case !e.ackValue(result):
		_ = e.Ack(*result)
	}
}

// decoder decodes the arguments of an event one after the other.
type decoder struct {
	e    *Event
	rest values
	n    int // arguments decoded
	err  error
}

// arguments returns a decoder for an event whose handler keeps only its arguments.
func arguments(e *Event) decoder {
	e.done = true
	return decoder{e: e, rest: values{e.Args.json}}
}

// next decodes the next argument. One that was not sent is the zero value.
func next[T any](d *decoder) (v T) {
	raw := d.rest.next()
	if raw == nil || d.err != nil || d.e.Args.decodeSimple(raw, &v) {
		d.n++
		return v
	}
	p := new(T) // encoding/json keeps it
	if err := json.Unmarshal(d.e.Args.inline(raw), p); err != nil {
		d.err = fmt.Errorf("argument %d: %w", d.n, err)
	}
	d.n++
	return *p
}

// ok reports whether the arguments fit. If not, the client gets an error.
func (d *decoder) ok() bool {
	if d.err != nil {
		d.e.fail(d.err)
	}
	return d.err == nil
}

func (e *Event) fail(err error) {
	_ = e.Ack(map[string]string{"error": err.Error()})
	e.socket.ns.srv.log.Debug("socketio: event not handled", "event", e.Name, "error", err)
}
