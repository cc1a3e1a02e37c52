package engineio

import (
	"bytes"
	"compress/flate"
	"io"
	"net/http"
	"strings"
	"sync"

	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// permessage-deflate (RFC 7692) without context takeover in either direction: nothing is kept between
// messages, and a broadcast is compressed once for all sessions that negotiated it.

const deflateAnswer = "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover; " +
	"client_no_context_takeover\r\n"

// tail ends a flushed deflate block; it is left out on the wire.
const tail = "\x00\x00\xff\xff"

// offersDeflate reports whether a client offers what the answer accepts. An offer that limits our window
// cannot be met by compress/flate.
func offersDeflate(h http.Header) bool {
	for _, line := range h["Sec-Websocket-Extensions"] {
		for offer := range strings.SplitSeq(line, ",") {
			name, params, _ := strings.Cut(offer, ";")
			if strings.TrimSpace(name) == "permessage-deflate" && !strings.Contains(params, "server_max_window_bits") {
				return true
			}
		}
	}
	return false
}

// deflater keeps compressors, which are large, for reuse.
type deflater struct {
	writers, readers sync.Pool
}

// deflated returns the message's frames with those of at least above bytes compressed.
func (m *Message) deflated(d *deflater, above int) []byte {
	if m.plain || len(m.parts) == 0 || len(m.wire) < above {
		return m.wire
	}
	if p := m.packed.Load(); p != nil {
		return *p
	}
	var out []byte
	for _, part := range m.parts {
		op := wsframe.Text
		if part.binary {
			op = wsframe.Binary
		}
		data := m.wire[part.start:part.end]
		if len(data) < above {
			out = wsframe.AppendFrame(out, op, data)
			continue
		}
		at := len(out)
		out = wsframe.AppendFrame(out, op, d.compress(data))
		out[at] |= wsframe.RSV1
	}
	m.packed.Store(&out) // two that come at once do the same twice
	return out
}

func (d *deflater) compress(p []byte) []byte {
	var b bytes.Buffer
	w, ok := d.writers.Get().(*flate.Writer)
	if !ok {
		w, _ = flate.NewWriter(nil, flate.BestSpeed) // the level is valid
	}
	defer d.writers.Put(w)
	w.Reset(&b)
	_, _ = w.Write(p) // a buffer cannot fail
	_ = w.Flush()
	return bytes.TrimSuffix(b.Bytes(), []byte(tail))
}

// inflate undoes compress, up to limit bytes.
func (d *deflater) inflate(p []byte, limit int) ([]byte, error) {
	src := io.MultiReader(bytes.NewReader(p), strings.NewReader(tail))
	r, ok := d.readers.Get().(io.ReadCloser)
	if !ok {
		r = flate.NewReader(nil)
	}
	defer d.readers.Put(r)
	if err := r.(flate.Resetter).Reset(src, nil); err != nil {
		return nil, err
	}
	out, err := io.ReadAll(io.LimitReader(r, int64(limit)+1))
	if len(out) > limit {
		return nil, wsframe.ErrTooBig
	}
	if err != nil && err != io.ErrUnexpectedEOF { // the stream has no final block
		return nil, wsframe.ErrProtocol
	}
	return out, nil
}
