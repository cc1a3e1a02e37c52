package packet

import (
	"encoding/json"
	"strconv"
)

// AppendHead appends everything of p that comes before its payload.
func AppendHead(dst []byte, p *Packet) []byte {
	dst = append(dst, '0'+byte(p.Type))
	if p.Type >= BinaryEvent {
		dst = append(strconv.AppendInt(dst, int64(p.Attachments), 10), '-')
	}
	if p.Namespace != "/" && p.Namespace != "" {
		dst = append(append(dst, p.Namespace...), ',')
	}
	if p.HasID {
		dst = strconv.AppendUint(dst, p.ID, 10)
	}
	return dst
}

// Append appends the text of p.
func Append(dst []byte, p *Packet) []byte { return append(AppendHead(dst, p), p.Data...) }

func unquote(raw []byte) ([]byte, error) {
	var s string
	if err := json.Unmarshal(raw, &s); err != nil {
		return nil, err
	}
	return []byte(s), nil
}
