package socketio

import (
	"bytes"
	"encoding/json"
	"strconv"

	"github.com/berthhq/berth/socketio/internal/jsonscan"
	"github.com/berthhq/berth/socketio/packet"
)

// partial is a binary packet of which not all attachments have arrived.
type partial struct {
	packet      packet.Packet
	attachments [][]byte
}

// normalise checks the placeholders of a binary packet and rewrites those that are not in the form of placeholderHead,
// so that other code only has to look for that form. The packet is invalid if a placeholder has the number of an
// attachment that does not exist.
func normalise(data []byte, attachments int) ([]byte, error) {
	return normaliser{src: data, attachments: attachments}.run()
}

// withoutPlaceholders replaces objects that look like placeholders by null. It keeps those that Binary.MarshalJSON has
// written, which become attachments later.
func withoutPlaceholders(data []byte) []byte {
	out, err := normaliser{src: data, remove: true}.run()
	if err != nil { // cannot happen: data is valid JSON, and numbers are not checked
		return []byte("null")
	}
	return out
}

func (n normaliser) run() ([]byte, error) {
	data := n.src
	if !bytes.Contains(data, []byte(`_placeholder`)) && !bytes.Contains(data, []byte(`\u`)) {
		return data, nil
	}
	if _, err := n.value(0); err != nil {
		return nil, err
	}
	if n.out == nil {
		return data, nil
	}
	return append(n.out, data[n.copied:]...), nil
}

type normaliser struct {
	src         []byte
	attachments int    // how many there are; a placeholder's number must be lower
	remove      bool   // replace placeholders by null
	out         []byte // the beginning of the result; nil while it equals src
	copied      int    // how much of src is in out
}

func (n *normaliser) value(i int) (int, error) {
	i = jsonscan.Space(n.src, i)
	switch n.src[i] {
	case '{':
		return n.object(i)
	case '[':
		i = jsonscan.Space(n.src, i+1)
		for n.src[i] != ']' {
			end, err := n.value(i)
			if err != nil {
				return 0, err
			}
			if i = jsonscan.Space(n.src, end); n.src[i] == ',' {
				i = jsonscan.Space(n.src, i+1)
			}
		}
		return i + 1, nil
	}
	return jsonscan.Value(n.src, i)
}

func (n *normaliser) object(start int) (int, error) {
	i := jsonscan.Space(n.src, start+1)
	marked, num := false, -1
	written, copied := len(n.out), n.copied
	for n.src[i] != '}' {
		end, err := jsonscan.String(n.src, i)
		if err != nil {
			return 0, err
		}
		key := n.src[i:end]
		i = jsonscan.Space(n.src, jsonscan.Space(n.src, end)+1)
		if end, err = n.value(i); err != nil {
			return 0, err
		}
		switch value := n.src[i:end]; {
		case isKey(key, "_placeholder"):
			marked = string(value) == "true"
		case isKey(key, "num"):
			if num, err = strconv.Atoi(string(value)); err != nil {
				num = -1
			}
		}
		if i = jsonscan.Space(n.src, end); n.src[i] == ',' {
			i = jsonscan.Space(n.src, i+1)
		}
	}
	if !marked {
		return i + 1, nil
	}
	want := []byte("null")
	switch {
	case n.remove && bytes.HasPrefix(n.src[start:], []byte(inlineHead)):
		return i + 1, nil
	case n.remove:
	case num < 0 || num >= n.attachments:
		return 0, packet.ErrInvalid
	default:
		want = append(strconv.AppendInt([]byte(placeholderHead), int64(num), 10), '}')
	}
	n.out, n.copied = n.out[:written], copied // drop what was rewritten inside the object
	n.rewrite(start, i+1, want)
	return i + 1, nil
}

func (n *normaliser) rewrite(start, end int, want []byte) {
	if bytes.Equal(n.src[start:end], want) {
		return
	}
	n.out = append(append(n.out, n.src[n.copied:start]...), want...)
	n.copied = end
}

func isKey(raw []byte, want string) bool {
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1:len(raw)-1]) == want
	}
	var s string
	return json.Unmarshal(raw, &s) == nil && s == want
}
