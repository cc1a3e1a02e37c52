package acs

import (
	"bufio"
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"reflect"
	"slices"
	"testing"
)

// recordedFrames returns frames that an unmodified Amazon ECS agent 1.105.1 and its control plane exchanged,
// one of each type (ecs-agent.md 4.3, 9).
func recordedFrames(t testing.TB) [][]byte {
	t.Helper()
	data, err := os.ReadFile("testdata/frames.jsonl")
	if err != nil {
		t.Fatal(err)
	}
	var frames [][]byte
	lines := bufio.NewScanner(bytes.NewReader(data))
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		frames = append(frames, bytes.Clone(lines.Bytes()))
	}
	return frames
}

func TestRecordedFramesSurviveDecodingAndEncoding(t *testing.T) {
	for _, frame := range recordedFrames(t) {
		m, err := Decode(frame)
		if err != nil {
			t.Errorf("%s: %v", frame, err)
			continue
		}
		again, err := Encode(m)
		if err != nil {
			t.Errorf("%s: %v", m.MessageType(), err)
			continue
		}
		for _, lost := range missing("", tree(t, frame), tree(t, again)) {
			t.Errorf("%s lost %s", m.MessageType(), lost)
		}
	}
}

func tree(t *testing.T, data []byte) any {
	t.Helper()
	var v any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatalf("%s: %v", data, err)
	}
	return v
}

// missing lists the members of want that have a value but are not in got.
func missing(path string, want, got any) []string {
	switch want := want.(type) {
	case map[string]any:
		have, _ := got.(map[string]any)
		var lost []string
		for k, v := range want {
			lost = append(lost, missing(path+"."+k, v, have[k])...)
		}
		slices.Sort(lost)
		return lost
	case []any:
		have, _ := got.([]any)
		if len(have) != len(want) {
			return []string{fmt.Sprintf("%s: %d of %d elements left", path, len(have), len(want))}
		}
		var lost []string
		for i, v := range want {
			lost = append(lost, missing(fmt.Sprintf("%s[%d]", path, i), v, have[i])...)
		}
		return lost
	case nil:
		return nil
	}
	if got == nil && reflect.ValueOf(want).IsZero() {
		return nil
	}
	if want != got {
		return []string{fmt.Sprintf("%s: %v became %v", path, want, got)}
	}
	return nil
}

// ecs-agent.md 4.2: messages of unknown types, and frames that are not messages, are logged and ignored.
func TestDecodeKeepsWhatItDoesNotKnow(t *testing.T) {
	m, err := Decode([]byte(`{"type":"FooMessage","message":{"a":[1]}}`))
	if err != nil {
		t.Fatal(err)
	}
	u, ok := m.(*Unknown)
	if !ok || u.Type != "FooMessage" || string(u.Body) != `{"a":[1]}` {
		t.Fatalf("got %#v", m)
	}
	for _, garbage := range []string{
		``, `null`, `[]`, `"x"`, `{}`, `{"type":1}`, `{"type":"PayloadMessage","message":[]}`,
	} {
		if m, err := Decode([]byte(garbage)); err == nil {
			t.Errorf("%q decoded to %#v", garbage, m)
		}
	}
}

func TestTelemetryFrameSplitsAtTheFirstEmptyLine(t *testing.T) {
	body := []byte("{\"type\":\"PublishMetricsRequest\",\"message\":{\"x\":\"a\\r\\n\"}}")
	headers := map[string][]string{"X-Amz-Date": {"20261123T005538Z"}, "Host": {"127.0.0.1:18080"}}
	frame := JoinTelemetryFrame(headers, body)
	want := "Host: 127.0.0.1:18080\r\nX-Amz-Date: 20261123T005538Z\r\n\r\n" + string(body)
	if string(frame) != want {
		t.Fatalf("frame is %q, want %q", frame, want)
	}
	gotHeaders, gotBody, err := SplitTelemetryFrame(frame)
	if err != nil || !reflect.DeepEqual(gotHeaders, headers) || !bytes.Equal(gotBody, body) {
		t.Fatalf("split into %v, %q, %v", gotHeaders, gotBody, err)
	}
	if h, b, err := SplitTelemetryFrame(body); err != nil || h != nil || !bytes.Equal(b, body) {
		t.Fatalf("a frame with an envelope only was split into %v, %q, %v", h, b, err)
	}
	for _, bad := range []string{"", "Host: x\r\n", "no colon\r\n\r\n{}"} {
		if _, _, err := SplitTelemetryFrame([]byte(bad)); err == nil {
			t.Errorf("%q was accepted", bad)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, frame := range recordedFrames(f) {
		f.Add(frame)
	}
	f.Fuzz(func(t *testing.T, frame []byte) {
		m, err := Decode(frame)
		if err != nil {
			return
		}
		first, err := Encode(m)
		if err != nil {
			t.Fatalf("%#v does not encode: %v", m, err)
		}
		back, err := Decode(first)
		if err != nil {
			t.Fatalf("%s does not decode: %v", first, err)
		}
		second, err := Encode(back)
		if err != nil || !bytes.Equal(first, second) {
			t.Fatalf("%s became %s (%v)", first, second, err)
		}
	})
}

func FuzzSplitTelemetryFrame(f *testing.F) {
	f.Add([]byte("Host: a\r\nX-Amz-Date: b\r\n\r\n{}"))
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, frame []byte) {
		headers, body, err := SplitTelemetryFrame(frame)
		if err != nil || headers == nil {
			return
		}
		_, again, err := SplitTelemetryFrame(JoinTelemetryFrame(headers, body))
		if err != nil || !bytes.Equal(again, body) {
			t.Fatalf("body %q became %q (%v)", body, again, err)
		}
	})
}
