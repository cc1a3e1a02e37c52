// Package link carries configurations to an edge in another process, and its reports back, over any stream of bytes.
//
// Messages are JSON in frames of bounded size. The edge's end is a Client: it sends the edge's id,
// hands configurations to the edge, acknowledges them and sends the edge's reports. The control
// plane's end is a Remote. Both ends send something every two seconds; one that receives nothing for
// ten seconds closes the stream. A new stream starts afresh, with the whole configuration and
// everything that the edge has to report.
//
// An edge serves only while it holds a lease. Every message of the edge carries the time on the
// edge's clock, and every message of the control plane the last such time that it received: the lease
// lasts from that time for Lease. When it ends, the edge serves nothing until it is connected again.
// Remote.LeaseEnd is a time at which it has ended for certain.
//
// The package does not know how streams are made and who may make one: callers authenticate.
package link

import (
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/berthhq/berth/internal/route"
)

const (
	// maxFrame is the most bytes in a message.
	maxFrame = 1 << 20
	// partSize is about how many bytes of rows go into one message.
	partSize = 128 << 10
	// beat is how often an end sends something; silence is how long the other waits for it.
	beat    = 2 * time.Second
	silence = 10 * time.Second
)

// version is that of the messages. Fields may be added to them without another version.
const version = 2

// message is what a frame holds: at most one of the pointers, and a time.
type message struct {
	Sent  time.Duration `json:",omitempty"` // from the edge: its clock
	Heard time.Duration `json:",omitempty"` // to the edge: Sent of the last message that was received

	Hello  *hello        `json:",omitempty"` // first, from the edge
	Config *part         `json:",omitempty"` // to the edge
	Taken  *taken        `json:",omitempty"` // from the edge, one for each last part
	Report *route.Report `json:",omitempty"` // from the edge
}

type hello struct {
	Version int
	Edge    string
}

// part is a configuration or, with More, a part of one.
type part struct {
	route.Config
	More bool `json:",omitempty"`
}

// taken is the result of a configuration.
type taken struct {
	Revision uint64
	Gap      bool   `json:",omitempty"` // the edge needs the whole
	Error    string `json:",omitempty"`
}

// stream sends and receives messages. It closes the connection when the other end is silent for too long.
type stream struct {
	conn   io.ReadWriteCloser
	sendMu sync.Mutex // one frame at a time
	silent *time.Timer
}

func newStream(conn io.ReadWriteCloser) *stream {
	// a read under way returns an error
	return &stream{conn: conn, silent: time.AfterFunc(silence, func() { conn.Close() })}
}

func (s *stream) close() {
	s.silent.Stop()
	s.conn.Close() // the stream has ended
}

func (s *stream) send(m message) error {
	data, err := json.Marshal(m)
	if err != nil {
		return err
	}
	if len(data) > maxFrame {
		return fmt.Errorf("link: a message of %d bytes; at most %d can be sent", len(data), maxFrame)
	}
	frame := append(binary.BigEndian.AppendUint32(make([]byte, 0, 4+len(data)), uint32(len(data))), data...)
	s.sendMu.Lock()
	defer s.sendMu.Unlock()
	_, err = s.conn.Write(frame)
	return err
}

func (s *stream) receive() (m message, err error) {
	var size [4]byte
	if _, err := io.ReadFull(s.conn, size[:]); err != nil {
		return m, err
	}
	n := binary.BigEndian.Uint32(size[:])
	if n > maxFrame {
		return m, fmt.Errorf("link: a frame of %d bytes; at most %d are read", n, maxFrame)
	}
	data := make([]byte, n)
	if _, err := io.ReadFull(s.conn, data); err != nil {
		return m, err
	}
	s.silent.Reset(silence)
	return m, json.Unmarshal(data, &m)
}

// keepAlive calls send with an empty message every beat until done is closed.
func keepAlive(done <-chan struct{}, send func(message) error) {
	tick := time.NewTicker(beat)
	defer tick.Stop()
	for {
		select {
		case <-tick.C:
			if send(message{}) != nil {
				return // the reader gets an error as well
			}
		case <-done:
			return
		}
	}
}

var errUnexpected = errors.New("link: a message that this end does not expect")
