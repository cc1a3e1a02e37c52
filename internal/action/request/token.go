package request

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"iter"
)

// Hash returns the same text for inputs, or parts of inputs, that ask for the same. It panics if in
// has a number that is not finite, which JSON cannot write: such inputs would otherwise all be equal.
func Hash(in any) string {
	doc, err := json.Marshal(in)
	if err != nil {
		panic("request: no hash: " + err.Error())
	}
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])
}

// Token returns the client token of a call and the Hash of its input, for the rows that the call
// makes. Both are "" if there is no token.
func Token(token *string, in any) (value, hash string) {
	if value = Value(token); value != "" {
		hash = Hash(in)
	}
	return value, hash
}

// Made returns what an earlier call with the same client token has made, or nil if the token is new.
// found are the rows that have the token, as long as the service remembers it; a table has an index
// for them (state.TokenEntry). hash is the Hash of this call's input, and hashOf returns the hash
// that is stored with a row. If one differs, the earlier call had other parameters, and the error is
// other(found). A row without a hash matches every call: older versions of Berth stored none.
func Made[T any](found iter.Seq[T], hash string, hashOf func(T) string, other func([]T) error) ([]T, error) {
	var made []T
	same := true
	for row := range found {
		made = append(made, row)
		same = same && (hashOf(row) == "" || hashOf(row) == hash)
	}
	if !same {
		return nil, other(made)
	}
	return made, nil
}
