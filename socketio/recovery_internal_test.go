package socketio

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/berthhq/berth/socketio/adapter"
)

// Expired sessions are deleted, but not at every call of Save.
func TestSavedSessionsAreForgotten(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHistory(Recovery{MaxDisconnection: time.Minute}, 0)
		for i := range 600 {
			h.Save(adapter.Saved{PID: fmt.Sprint(i)})
			time.Sleep(time.Second)
		}
		if n := len(h.saved); n < 60 || n > 70 {
			t.Fatalf("%d are kept", n)
		}
	})
}

// A recovered client gets the events that were sent to it and did not arrive, and those that were sent while it was
// disconnected. It does not get an event for a room that it joined only later.
func TestMissed(t *testing.T) {
	h := newHistory(Recovery{}, 0)
	emit := func(room string) (offset string) {
		h.add(&adapter.Op{Target: adapter.Target{Rooms: []string{room}}}, func(at string) { offset = at })
		return offset
	}
	earlierThanJoin := emit("room")
	first := emit("room")
	second := emit("room")
	at := h.Position()
	emit("elsewhere")
	away := emit("room")
	for _, c := range []struct {
		name              string
		first, sent, told string
		want              []string
	}{
		{"all was received", first, second, second, []string{away}},
		{"the last was not", first, second, first, []string{second, away}},
		{"none was", first, second, "", []string{first, second, away}},
		{"none was sent", "", "", "", []string{away}},
		{"it was saved by another kind of server", "", "", earlierThanJoin, []string{first, second, away}},
	} {
		s := adapter.Saved{PID: "p", Rooms: []string{"room"}, First: c.first, Sent: c.sent, At: at}
		if strings.HasPrefix(c.name, "it was") {
			s.At = ""
		}
		h.Save(s)
		var got []string
		ok := h.Recover(t.Context(), "p", c.told, func(_ adapter.Saved, missed []adapter.Missed) {
			for _, m := range missed {
				got = append(got, m.Offset)
			}
		})
		if !ok || !slices.Equal(got, c.want) {
			t.Errorf("%s: %v %v, want %v", c.name, ok, got, c.want)
		}
	}
}

// All clients of a server disconnect at once. The cost of one does not depend on how many have disconnected before.
func BenchmarkSave(b *testing.B) {
	for _, gone := range []int{1000, 20_000} {
		b.Run(fmt.Sprint(gone), func(b *testing.B) {
			h := newHistory(Recovery{}, 0)
			for i := range gone {
				h.Save(adapter.Saved{PID: fmt.Sprint(i)})
			}
			for b.Loop() {
				h.Save(adapter.Saved{PID: "one more"})
			}
		})
	}
}
