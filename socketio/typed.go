package socketio

import "context"

// Typed makes a handler of a function of the event's first argument. An event whose argument does not
// fit is answered with an error object when the client asked for an answer, and dropped otherwise.
func Typed[T any](f func(s *Socket, v T)) Handler {
	return func(s *Socket, e *Event) {
		var v T
		if err := e.Args.decodeFirst(&v); err != nil {
			e.fail(err)
			return
		}
		f(s, v)
	}
}

// Answer makes a handler of a function whose result is the acknowledgement. Its context ends when the
// client is disconnected. An error is sent as {"error": text}.
func Answer[T, R any](f func(ctx context.Context, s *Socket, v T) (R, error)) Handler {
	return func(s *Socket, e *Event) {
		var v T
		if err := e.Args.decodeFirst(&v); err != nil {
			e.fail(err)
			return
		}
		r, err := f(s.Context(), s, v)
		if err != nil {
			e.fail(err)
			return
		}
		_ = e.Ack(r) // what cannot be encoded was the handler's doing; the client's time limit tells
	}
}

func (a *Args) decodeFirst(v any) error {
	if len(a.json) == 0 {
		return nil // a missing argument is the zero value
	}
	return a.Decode(0, v)
}

func (e *Event) fail(err error) {
	_ = e.Ack(map[string]string{"error": err.Error()})
	e.socket.ns.srv.log.Debug("socketio: event not handled", "event", e.Name, "error", err)
}
