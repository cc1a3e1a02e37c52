// Package lean is a minimal Socket.IO client: it sends and receives WebSocket frames and answers heartbeats. Everything
// else is left to the caller. Tests use it to send packets that a correct client would not send. The benchmark uses it
// because it needs less processor time than the servers that it loads.
package lean

import (
	"bufio"
	"bytes"
	"compress/flate"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/berthhq/berth/socketio/internal/link"
	"github.com/berthhq/berth/socketio/internal/wsframe"
)

// Frame is what a client receives. When the connection has ended, the client gets a Frame with Op wsframe.Close and nil
// Data.
type Frame struct {
	Op   wsframe.Op
	Data []byte
	// Compressed says that the server has compressed the message.
	Compressed bool
}

// Client is a connection. It calls a function for each frame, one at a time. The function must not block.
type Client struct {
	link     link.Link
	in       wsframe.Reader
	on       func(*Client, Frame)
	hold     sync.Mutex // held while reading is paused
	ended    bool
	inflated bool // the current message was compressed
}

// Dial opens a WebSocket to the server at addr. path includes the query. on is called for each frame.
func Dial(g *link.Group, addr, path string, on func(*Client, Frame)) (*Client, error) {
	return dial(net.Dialer{}, g, addr, path, "", on)
}

// DialWith is Dial with a dialer. If the dialer has a timeout, the WebSocket handshake must also end within it.
func DialWith(d net.Dialer, g *link.Group, addr, path string, on func(*Client, Frame)) (*Client, error) {
	return dial(d, g, addr, path, "", on)
}

// DialDeflate is Dial, but offers the server compression.
func DialDeflate(g *link.Group, addr, path string, on func(*Client, Frame)) (*Client, error) {
	return dial(net.Dialer{}, g, addr, path,
		"Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", on)
}

func dial(d net.Dialer, g *link.Group, addr, path, header string, on func(*Client, Frame)) (*Client, error) {
	conn, err := d.Dial("tcp", addr)
	if err != nil {
		return nil, err
	}
	if d.Timeout > 0 {
		_ = conn.SetDeadline(time.Now().Add(d.Timeout))
	}
	br, err := handshake(conn, addr, path, header)
	if err != nil {
		conn.Close()
		return nil, err
	}
	_ = conn.SetDeadline(time.Time{})
	early, _ := br.Peek(br.Buffered())
	c := &Client{on: on, in: wsframe.Reader{Limit: 64 << 20, FromServer: true}}
	if header != "" {
		c.in.Inflate = c.inflate
	}
	err = g.Attach(conn, early, func(l link.Link) link.Sink {
		c.link = l
		return c
	})
	return c, err
}

// handshake does the WebSocket handshake. The returned reader may have buffered frames that follow it.
func handshake(conn net.Conn, addr, path, header string) (*bufio.Reader, error) {
	_, err := fmt.Fprintf(conn, "GET %s HTTP/1.1\r\nHost: %s\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"+
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n%s\r\n", path, addr, header)
	if err != nil {
		return nil, err
	}
	br := bufio.NewReaderSize(conn, 1024)
	res, err := http.ReadResponse(br, nil)
	if err != nil {
		return nil, err
	}
	if res.StatusCode != http.StatusSwitchingProtocols {
		body, _ := io.ReadAll(res.Body)
		return nil, fmt.Errorf("lean: status %d: %s", res.StatusCode, body)
	}
	return br, nil
}

// Send sends a text frame.
func (c *Client) Send(text string) error { return c.Write(wsframe.Text, []byte(text)) }

// Write sends a frame.
func (c *Client) Write(op wsframe.Op, p []byte) error { return c.Raw(AppendFrame(nil, op, p)) }

// AppendFrame appends a frame as a client sends it. Its mask is never zero, because a server can skip unmasking then.
func AppendFrame(dst []byte, op wsframe.Op, p []byte) []byte {
	var key [4]byte
	binary.LittleEndian.PutUint32(key[:], rand.Uint32()|1)
	at := len(dst) + 1
	dst = wsframe.AppendHeader(dst, op, len(p))
	dst[at] |= 0x80
	dst = append(append(dst, key[:]...), p...)
	wsframe.Mask(dst[len(dst)-len(p):], key, 0)
	return dst
}

// WriteDeflated sends a compressed text frame.
func (c *Client) WriteDeflated(text string) error {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, flate.BestSpeed)
	if err != nil {
		return err
	}
	_, _ = io.WriteString(w, text) // a buffer cannot fail
	_ = w.Flush()
	frame := AppendFrame(nil, wsframe.Text, bytes.TrimSuffix(b.Bytes(), []byte("\x00\x00\xff\xff")))
	frame[0] |= wsframe.RSV1
	return c.Raw(frame)
}

func (c *Client) inflate(p []byte, _ int) ([]byte, error) {
	c.inflated = true
	out, err := io.ReadAll(flate.NewReader(bytes.NewReader(append(p, 0, 0, 0xff, 0xff))))
	if errors.Is(err, io.ErrUnexpectedEOF) { // there is no final block
		err = nil
	}
	return out, err
}

// Raw sends bytes as they are. It does not queue them: if the kernel does not accept all of them at once, it returns an
// error.
func (c *Client) Raw(p []byte) error {
	n, err := c.link.Write(p)
	if err == nil && n < len(p) {
		err = errors.New("lean: the connection is full")
	}
	return err
}

// Close closes the connection without a close frame.
func (c *Client) Close() { c.link.Close() }

// Pause stops reading until Resume is called. It blocks the goroutine that reads.
func (c *Client) Pause() { c.hold.Lock() }

// Resume undoes Pause.
func (c *Client) Resume() { c.hold.Unlock() }

// Readable implements link.Sink.
func (c *Client) Readable(p []byte) {
	c.hold.Lock()
	//lint:ignore SA2001 locking waits for Resume
	c.hold.Unlock()
	if c.ended {
		return
	}
	err := c.in.Feed(p, func(op wsframe.Op, data []byte) error {
		if op == wsframe.Text && len(data) == 1 && data[0] == '2' {
			return c.Send("3")
		}
		c.on(c, Frame{op, data, c.inflated})
		c.inflated = false
		return nil
	})
	if err != nil {
		c.ended = true
		c.link.Close()
	}
}

// Writable implements link.Sink.
func (c *Client) Writable() {}

// Broken implements link.Sink.
func (c *Client) Broken(error) { c.on(c, Frame{Op: wsframe.Close}) }
