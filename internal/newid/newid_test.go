package newid

import (
	"bytes"
	"errors"
	"regexp"
	"slices"
	"testing"
	"testing/iotest"

	"pgregory.net/rapid"
)

var (
	uuid   = regexp.MustCompile(`^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`)
	ec2    = regexp.MustCompile(`^vpc-0[0-9a-f]{16}$`)
	number = regexp.MustCompile(`^(0|[1-9][0-9]{0,9})$`)
	hexs   = regexp.MustCompile(`^[0-9a-f]{32}$`)
)

// Ids have AWS's forms whatever the bytes are, and the same bytes make the same ids.
func TestForms(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		random := rapid.SliceOfN(rapid.Byte(), 200, 200).Draw(t, "random")
		mint := func() []string {
			r := bytes.NewReader(random)
			ids := []string{UUID(r), EC2(r, "vpc"), Hex(r, 16), Number(r)}
			return append(append(ids, UUIDs(r, 2)...), EC2s(r, "vpc", 2)...)
		}
		ids := mint()
		for i, form := range []*regexp.Regexp{uuid, ec2, hexs, number, uuid, uuid, ec2, ec2} {
			if !form.MatchString(ids[i]) {
				t.Errorf("id %d is %q, which is not of the form %s", i, ids[i], form)
			}
		}
		if again := mint(); !slices.Equal(ids, again) {
			t.Errorf("the same bytes made %v and %v", ids, again)
		}
	})
}

// Each id uses bytes of its own, and nothing is read ahead.
func TestIDsDiffer(t *testing.T) {
	random := make([]byte, 3*16)
	for i := range random {
		random[i] = byte(i)
	}
	r := bytes.NewReader(random)
	if ids := append(UUIDs(r, 2), UUID(r)); ids[0] == ids[1] || ids[1] == ids[2] || r.Len() != 0 {
		t.Errorf("%v; %d bytes are left", ids, r.Len())
	}
	if ids := EC2s(r, "i", 0); len(ids) != 0 {
		t.Errorf("no ids are %v", ids)
	}
}

func TestUUIDOf(t *testing.T) {
	b := bytes.Repeat([]byte{0xff}, 16)
	if got := UUIDOf(b); got != "ffffffff-ffff-4fff-bfff-ffffffffffff" {
		t.Error(got)
	}
	if b[6] != 0xff {
		t.Error("the bytes were changed")
	}
}

// A machine without random numbers must not make ids that others can guess.
func TestNoRandomBytes(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("an id was made of no random bytes")
		}
	}()
	UUID(iotest.ErrReader(errors.New("broken")))
}
