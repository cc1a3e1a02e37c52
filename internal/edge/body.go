package edge

import (
	"bufio"
	"errors"
	"io"
	"strconv"
	"time"

	"github.com/berthhq/berth/internal/edge/h1"
)

// startUpload starts a goroutine that sends the rest of the request's body, and then watches whether the client
// closes its connection.
func (x *exchange) startUpload(tc *targetConn) {
	x.upload.running, x.upload.done = true, make(chan struct{})
	x.upload.read.Store(x.body.Done())
	go func() {
		defer close(x.upload.done)
		if status := x.sendBody(tc); status != 0 {
			x.upload.status.Store(int32(status))
			tc.Close() // ends the wait for the response
			return
		}
		if x.upload.sent && x.clientLeft() {
			x.upload.status.Store(460)
			tc.Close() // ends the wait for the response
		}
	}()
}

// stopUpload ends the goroutine of startUpload and waits for it.
func (x *exchange) stopUpload() {
	if !x.upload.running {
		return
	}
	if x.c.stopReading() != nil {
		x.keep = false
	}
	<-x.upload.done
	x.upload.running = false
	if x.c.resumeReading() != nil {
		x.keep = false
	}
}

// sendBody copies the body to the target as it arrives. status is the error of the client, or 0. If the target
// stops reading, its response says so.
func (x *exchange) sendBody(tc *targetConn) (status int) {
	if x.body.Done() {
		x.upload.sent = true
		return 0
	}
	block := x.e.buf.block()
	defer x.e.buf.putBlock(block)
	w := bodyWriter{w: timedWriter{tc, x.c.idle}, chunked: x.req.Body.Kind == h1.Chunked}
	for {
		if x.c.setReadDeadline(time.Now().Add(x.c.idle)) != nil {
			return 400
		}
		x.upload.waits.Store(true)
		n, err := x.body.Read(block[:])
		x.upload.received += int64(n)
		if err == nil {
			x.upload.waits.Store(false)
		}
		if x.body.Done() {
			x.upload.read.Store(true)
		}
		if n > 0 {
			if _, werr := w.Write(block[:n]); werr != nil {
				return 0
			}
			x.upload.progress.Store(time.Now().UnixNano())
		}
		switch {
		case errors.Is(err, io.EOF) || err == nil && x.body.Done():
			x.upload.sent = w.end(x.body.Trailer, x.carriesTrailer) == nil
			return 0
		case isTimeout(err):
			return x.timedOut()
		case err != nil:
			return 400 // alb.md 5.7: the client closed before sending the full body, or sent malformed chunks
		}
	}
}

// timedOut distinguishes a silent client from a read that was interrupted because the response has arrived.
func (x *exchange) timedOut() int {
	x.c.mu.Lock()
	defer x.c.mu.Unlock()
	if x.c.stopping {
		return 0
	}
	return 408
}

// clientLeft waits until the client closes its connection, sends more, or stopReading is called.
func (x *exchange) clientLeft() bool {
	if x.c.setReadDeadline(time.Time{}) != nil {
		return true
	}
	_, err := x.c.br.Peek(1)
	return err != nil && !isTimeout(err)
}

// bodyWriter writes a body unchanged, or in chunks, one for each Write.
type bodyWriter struct {
	w       io.Writer
	chunked bool
	line    [20]byte
}

func (b *bodyWriter) Write(p []byte) (int, error) {
	if b.chunked {
		line := strconv.AppendInt(b.line[:0], int64(len(p)), 16)
		if _, err := b.w.Write(append(line, '\r', '\n')); err != nil {
			return 0, err
		}
	}
	n, err := b.w.Write(p)
	if err == nil && b.chunked {
		_, err = b.w.Write([]byte("\r\n"))
	}
	return n, err
}

// end writes the last chunk and those fields of the trailer for which passes returns true.
func (b *bodyWriter) end(trailer []h1.Field, passes func(*h1.Field) bool) error {
	if !b.chunked {
		return nil
	}
	out := append(b.line[:0], "0\r\n"...)
	for i := range trailer {
		if f := &trailer[i]; passes(f) {
			out = appendField(out, f.Name, f.Value)
		}
	}
	_, err := b.w.Write(append(out, "\r\n"...))
	return err
}

// passBody copies the response's body to the client as it arrives, and reports whether the client got all of
// it. It sends what it has before it waits for more.
func (x *exchange) passBody(tc *targetConn) (whole bool) {
	body := &x.resBody
	body.Reset(tc.br, x.res.Body)
	kind := x.clientFraming()
	if x.upload.running && !x.upload.read.Load() {
		x.keep = false // the header is sent before it is known whether the rest of the request's body will be read
	}
	bw := x.e.buf.writer(x.c)
	defer x.e.buf.putWriter(bw)
	x.out = x.appendResponseHead(x.out[:0], kind, time.Now())
	x.wrote, x.entry.Status = true, x.res.Status
	x.c.unfinished.Store(kind == h1.UntilClose)
	x.entry.Response = time.Since(x.sentAt) - x.entry.Target1st
	if _, err := bw.Write(x.out); err != nil {
		x.keep = false
		return false
	}
	x.entry.Sent += int64(len(x.out))
	err := x.copyBody(tc, body, bw, kind == h1.Chunked)
	if ferr := bw.Flush(); err == nil {
		err = ferr
	}
	if err != nil {
		x.keep = false
		x.entry.ErrorReason = err.Error()
		if x.c.left || x.upload.status.Load() == 460 { // alb.md 5.7; the target's status is kept in the entry
			x.entry.Status, x.entry.ErrorReason = 460, "the client went away"
		}
		return false
	}
	x.c.unfinished.Store(false)
	return true
}

// clientFraming decides how the end of the body is marked for the client: as by the target, or in chunks if the
// target closes its connection at the end.
func (x *exchange) clientFraming() h1.Kind {
	kind := x.res.Body.Kind
	if kind == h1.UntilClose || kind == h1.Chunked {
		if x.req.Minor == 0 {
			x.keep = false
			return h1.UntilClose
		}
		return h1.Chunked
	}
	return kind
}

// awaitMore waits for more of the response. If the target is silent for more than a moment, as with event
// streams, it starts to watch whether the client closes its connection.
func (x *exchange) awaitMore(tc *targetConn) error {
	began := time.Now()
	if !x.upload.running {
		if err := tc.SetReadDeadline(began.Add(patience)); err != nil {
			return err
		}
		if _, err := tc.br.Peek(tc.br.Buffered() + 1); isTimeout(err) {
			x.startUpload(tc)
		}
	}
	return tc.SetReadDeadline(began.Add(x.c.idle))
}

func (x *exchange) copyBody(tc *targetConn, body *h1.Body, bw *bufio.Writer, chunked bool) error {
	if body.Done() {
		return nil
	}
	block := x.e.buf.block()
	defer x.e.buf.putBlock(block)
	w := &x.writes
	w.w, w.chunked = bw, chunked
	for !body.Done() {
		if !body.Ready() {
			if err := bw.Flush(); err != nil {
				return err
			}
			if err := x.awaitMore(tc); err != nil {
				return err
			}
		}
		n, err := body.Read(block[:])
		if n > 0 {
			if _, werr := w.Write(block[:n]); werr != nil {
				return werr
			}
			x.entry.Sent += int64(n)
		}
		if err != nil && !errors.Is(err, io.EOF) {
			return err
		}
	}
	return w.end(body.Trailer, x.returns)
}
