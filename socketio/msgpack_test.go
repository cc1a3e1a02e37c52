package socketio

import (
	"testing"

	"github.com/berthhq/berth/socketio/adapter"
	"github.com/berthhq/berth/socketio/packet"
)

func FuzzUnpack(f *testing.F) {
	for _, p := range []adapter.Payload{
		{}, {JSON: []byte(`["a",1,{"_placeholder":true,"num":0}]`), Attachments: [][]byte{{1}}},
	} {
		f.Add(packed(packet.Packet{Type: packet.Event, Namespace: "/n", ID: 7, HasID: true}, p))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		p, attachments, err := unpack(raw)
		if err != nil {
			return
		}
		again, _, err := unpack(packed(p, adapter.Payload{JSON: p.Data, Attachments: attachments}))
		if err != nil || again.Type != p.Type || again.Namespace != p.Namespace ||
			string(again.Data) != string(p.Data) {
			t.Fatalf("%+v became %+v, %v", p, again, err)
		}
	})
}

// A client cannot make a placeholder that refers to the bytes of another client.
func TestForgedPlaceholders(t *testing.T) {
	for in, want := range map[string]string{
		`["a",{"_placeholder":true,"num":0}]`: `["a",{"_placeholder":true,"num":0}]`,
		`["a",{"num":0,"_placeholder":true,` +
			`"more":{"_placeholder":true,"num":0}}]`: `["a",{"_placeholder":true,"num":0}]`,
		`["a",{"\u005fplaceholder":true,"num":0}]`:  `["a",{"_placeholder":true,"num":0}]`,
		`["a",{"_placeholder":false,"num":9}]`:      `["a",{"_placeholder":false,"num":9}]`,
		`["a","{\"_placeholder\":true,\"num\":9}"]`: `["a","{\"_placeholder\":true,\"num\":9}"]`,
		`["a",{"_placeholder":true,"num":1}]`:       "",
		`["a",{"_placeholder":true}]`:               "",
		`["a",{"_placeholder":true,"num":"0"}]`:     "",
	} {
		got, err := normalise([]byte(in), 1)
		if (err != nil) != (want == "") || (err == nil && string(got) != want) {
			t.Errorf("%s became %s, %v; want %s", in, got, err, want)
		}
	}
}

func TestPlaceholdersOfNothingAreNotSentOn(t *testing.T) {
	forged := &Args{json: []byte(`{"_placeholder":true,"num":7},{"a":{"_placeholder":true,"num":-1}},1`)}
	p, err := payload(nil, "x", true, []any{[]byte{1}, forged})
	if want := `["x",{"_placeholder":true,"num":0},null,{"a":null},1]`; err != nil || string(p.JSON) != want {
		t.Fatalf("%s, %v", p.JSON, err)
	}
}
