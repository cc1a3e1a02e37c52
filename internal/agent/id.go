package agent

import (
	"crypto/rand"

	"github.com/berthhq/berth/internal/newid"
)

// newID returns a random UUID.
func newID() string { return newid.UUID(rand.Reader) }
