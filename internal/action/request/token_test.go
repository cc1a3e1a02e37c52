package request

import (
	"errors"
	"math"
	"slices"
	"testing"

	"pgregory.net/rapid"
)

// Made returns what an earlier call with the same token made if both had the same input. Otherwise it refuses
// the call.
func TestMade(t *testing.T) {
	errOther := errors.New("other")
	rapid.Check(t, func(t *rapid.T) {
		hashes := rapid.SliceOfN(rapid.SampledFrom([]string{"", "a", "b"}), 0, 3).Draw(t, "hashes")
		var refused []string
		made, err := Made(slices.Values(hashes), "a", Itself, func(all []string) error {
			refused = all
			return errOther
		})
		if slices.Contains(hashes, "b") {
			if err != errOther || made != nil || !slices.Equal(refused, hashes) {
				t.Fatalf("%v %v, refused %v", made, err, refused)
			}
		} else if err != nil || !slices.Equal(made, hashes) || refused != nil {
			t.Fatalf("%v %v, refused %v", made, err, refused)
		}
	})
}

func TestHash(t *testing.T) {
	type input struct{ A, B *string }
	if one, other := (&input{A: new("x")}), (&input{A: new("x")}); Hash(one) != Hash(other) {
		t.Error("equal inputs have different hashes")
	}
	seen := map[string]bool{}
	for _, in := range []input{{}, {A: new("")}, {A: new("x")}, {B: new("x")}, {A: new("x"), B: new("x")}} {
		seen[Hash(in)] = true
	}
	if token, hash := Token(nil, input{}); token != "" || hash != "" {
		t.Errorf("a call without a token has %q and %q", token, hash)
	}
	if token, hash := Token(new("t"), input{}); token != "t" || hash != Hash(input{}) {
		t.Errorf("a call with a token has %q and %q", token, hash)
	}
	if len(seen) != 5 {
		t.Errorf("%d hashes of 5 inputs", len(seen))
	}
}

// An input that cannot be encoded has no hash, so that such inputs do not all have the same one.
func TestHashOfWhatIsNotFinite(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("NaN has a hash")
		}
	}()
	Hash(struct{ A float64 }{math.NaN()})
}
