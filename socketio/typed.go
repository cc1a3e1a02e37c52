package socketio

import "context"

// Typed makes a handler of a function of the event's first argument. An event whose argument does not
// fit is answered with an error object when the client asked for an answer, and dropped otherwise. A
// missing argument is the zero value, as one that is undefined in JavaScript.
func Typed[T any](f func(s *Socket, v T)) Handler {
	return func(s *Socket, e *Event) {
		var v T
		if e.decode(&v) {
			f(s, v)
		}
	}
}

// Typed2 is Typed for two arguments.
func Typed2[A, B any](f func(s *Socket, a A, b B)) Handler {
	return func(s *Socket, e *Event) {
		var a A
		var b B
		if e.decode(&a, &b) {
			f(s, a, b)
		}
	}
}

// Typed3 is Typed for three arguments.
func Typed3[A, B, C any](f func(s *Socket, a A, b B, c C)) Handler {
	return func(s *Socket, e *Event) {
		var a A
		var b B
		var c C
		if e.decode(&a, &b, &c) {
			f(s, a, b, c)
		}
	}
}

// Answer makes a handler of a function whose result is the acknowledgement. Its context ends when the
// client is disconnected. An error is sent as {"error": text}.
func Answer[T, R any](f func(ctx context.Context, s *Socket, v T) (R, error)) Handler {
	return func(s *Socket, e *Event) {
		var v T
		if e.decode(&v) {
			answer(e)(f(s.Context(), s, v))
		}
	}
}

// Answer2 is Answer for two arguments.
func Answer2[A, B, R any](f func(ctx context.Context, s *Socket, a A, b B) (R, error)) Handler {
	return func(s *Socket, e *Event) {
		var a A
		var b B
		if e.decode(&a, &b) {
			answer(e)(f(s.Context(), s, a, b))
		}
	}
}

// Answer3 is Answer for three arguments.
func Answer3[A, B, C, R any](f func(ctx context.Context, s *Socket, a A, b B, c C) (R, error)) Handler {
	return func(s *Socket, e *Event) {
		var a A
		var b B
		var c C
		if e.decode(&a, &b, &c) {
			answer(e)(f(s.Context(), s, a, b, c))
		}
	}
}

func answer(e *Event) func(result any, err error) {
	return func(result any, err error) {
		if err != nil {
			e.fail(err)
			return
		}
		_ = e.Ack(result) // what cannot be encoded was the handler's doing; the client's time limit tells
	}
}

// decode decodes the arguments and reports whether they fit. If not, the client gets an error.
func (e *Event) decode(v ...any) bool {
	err := e.Args.Scan(v...)
	if err != nil {
		e.fail(err)
	}
	return err == nil
}

func (e *Event) fail(err error) {
	_ = e.Ack(map[string]string{"error": err.Error()})
	e.socket.ns.srv.log.Debug("socketio: event not handled", "event", e.Name, "error", err)
}
