package engineio

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// servePolling answers GET and POST of the polling transport; s is nil on the handshake.
func (srv *Server) servePolling(w http.ResponseWriter, r *http.Request, s *Session) {
	switch {
	case s == nil:
		if s = srv.open(r, nil); s == nil {
			http.Error(w, "server closed", http.StatusServiceUnavailable)
			return
		}
		if c := srv.opt.Cookie; c != nil {
			own := *c
			own.Value = s.id
			http.SetCookie(w, &own)
		}
		s.servePoll(w, r)
	case r.Method == http.MethodGet:
		s.servePoll(w, r)
	case r.Method == http.MethodPost:
		s.servePost(w, r)
	default:
		http.Error(w, http.StatusText(http.StatusMethodNotAllowed), http.StatusMethodNotAllowed)
	}
}

// pollBatch returns the answer to a poll at this moment. The packet that ends a session is sent
// alone, because the official client handles it before the messages of the same payload, which
// would be lost. It returns nil if the poll is to be refused.
func (s *Session) pollBatch() []*Message {
	one, batch := s.take()
	switch {
	case one != nil:
		return []*Message{one}
	case len(batch) > 0:
		return batch
	}
	open := s.state == stateOpen
	s.finish() // has no effect on an open session
	switch {
	case open, s.left:
		return []*Message{noopMessage}
	case s.failed:
		return nil
	}
	return []*Message{closeMessage}
}

// servePoll answers a poll at once if something is queued, and waits otherwise.
func (s *Session) servePoll(w http.ResponseWriter, r *http.Request) {
	s.mu.Lock()
	if s.poll != nil { // of two polls at the same time neither can be trusted
		s.poll <- []*Message{closeMessage}
		s.poll = nil
		s.mu.Unlock()
		errRequest.write(w, r)
		s.fail(ReasonTransportError)
		return
	}
	if s.ws != nil || s.state == stateClosed {
		s.mu.Unlock()
		errRequest.write(w, r)
		return
	}
	wait := make(chan []*Message, 1)
	s.poll = wait
	s.flush()
	s.mu.Unlock()
	select {
	case batch := <-wait:
		s.answer(w, r, batch)
	case <-r.Context().Done():
		s.fail(ReasonTransportError)
	}
}

func (s *Session) answer(w http.ResponseWriter, r *http.Request, batch []*Message) {
	if batch == nil {
		errRequest.write(w, r)
		return
	}
	size := 0
	for _, m := range batch {
		size += len(m.wire)
	}
	body := appendPayload(make([]byte, 0, size+size/2), batch)
	release(nil, batch)
	h := w.Header()
	h.Set("Content-Type", "text/plain; charset=UTF-8")
	h.Set("Cache-Control", "no-store")
	if len(body) >= s.srv.opt.CompressAbove && takesGzip(r.Header.Get("Accept-Encoding")) {
		h.Set("Content-Encoding", "gzip")
		z, _ := gzip.NewWriterLevel(w, gzip.BestSpeed) // the level is valid
		_, _ = z.Write(body)
		z.Close()
		return
	}
	h.Set("Content-Length", strconv.Itoa(len(body)))
	_, _ = w.Write(body)
}

// takesGzip reports whether a client accepts the encoding; one that says gzip;q=0 does not.
func takesGzip(accept string) bool {
	for one := range strings.SplitSeq(accept, ",") {
		name, weight, _ := strings.Cut(one, ";")
		if strings.EqualFold(strings.TrimSpace(name), "gzip") {
			q, err := strconv.ParseFloat(strings.TrimPrefix(strings.TrimSpace(weight), "q="), 64)
			return err != nil || q > 0
		}
	}
	return false
}

// servePost handles a payload from the client.
func (s *Session) servePost(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.Header.Get("Content-Type"), "application/octet-stream") {
		errRequest.write(w, r)
		s.fail(ReasonTransportError)
		return
	}
	s.mu.Lock()
	busy, ended := s.posting, s.state == stateClosed
	s.posting = true
	s.mu.Unlock()
	if busy || ended {
		errRequest.write(w, r)
		if busy {
			s.fail(ReasonTransportError)
		}
		return
	}
	s.takePost(w, r)
	s.mu.Lock()
	s.posting = false
	s.mu.Unlock()
}

func (s *Session) takePost(w http.ResponseWriter, r *http.Request) {
	if r.ContentLength > int64(s.srv.opt.MaxPayload) {
		s.tooLarge(w)
		return
	}
	// A body that never ends must not last longer than the heartbeat allows.
	_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.srv.opt.PingInterval + s.srv.opt.PingTimeout))
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, int64(s.srv.opt.MaxPayload)))
	if err != nil {
		if _, tooBig := errors.AsType[*http.MaxBytesError](err); tooBig {
			s.tooLarge(w)
			return
		}
		s.fail(ReasonTransportError)
		return
	}
	err = decodePayload(body, func(p packet) error {
		if !s.await(r) {
			return errStop
		}
		switch {
		case s.isOpen():
			s.receive(p)
		case p.kind == packetClose: // a closing session accepts nothing else
			s.closedByClient()
		}
		return nil
	})
	if errors.Is(err, errStop) {
		s.fail(ReasonTransportError)
		return
	}
	if err != nil {
		errRequest.write(w, r)
		s.fail(ReasonParseError)
		return
	}
	w.Header().Set("Content-Type", "text/html")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("Content-Length", "2")
	_, _ = io.WriteString(w, "ok")
}

// tooLarge refuses a body over the limit and ends the session. The official client closes the
// session then, but does not always send a close packet. The reason is the one of the official
// server if it does.
func (s *Session) tooLarge(w http.ResponseWriter) {
	w.WriteHeader(http.StatusRequestEntityTooLarge)
	s.fail(ReasonTransportClose)
}
