package wsframe

import (
	"crypto/sha1"
	"encoding/base64"
	"net/http"
	"strings"
)

const acceptGUID = "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"

// IsUpgrade reports whether r is a request to open a WebSocket.
func IsUpgrade(r *http.Request) bool {
	return r.Method == http.MethodGet && hasToken(r.Header["Connection"], "upgrade") &&
		hasToken(r.Header["Upgrade"], "websocket")
}

// ValidKey reports whether the key and version of a handshake are as RFC 6455, 4.2.1, requires.
func ValidKey(h http.Header) bool {
	key, err := base64.StdEncoding.DecodeString(h.Get("Sec-Websocket-Key"))
	return err == nil && len(key) == 16 && h.Get("Sec-Websocket-Version") == "13"
}

// AcceptKey returns the Sec-WebSocket-Accept header for a client's Sec-WebSocket-Key.
func AcceptKey(key string) string {
	sum := sha1.Sum([]byte(key + acceptGUID))
	return base64.StdEncoding.EncodeToString(sum[:])
}

func hasToken(values []string, token string) bool {
	for _, v := range values {
		for part := range strings.SplitSeq(v, ",") {
			if strings.EqualFold(strings.TrimSpace(part), token) {
				return true
			}
		}
	}
	return false
}
