package scaling

import (
	"testing"

	"github.com/berthhq/berth/internal/tag"
)

// A tag that should give a pace has one of two values; other tags have any.
func TestWrongPace(t *testing.T) {
	for _, c := range []struct {
		tag  tag.Tag
		want string
	}{
		{tag.Tag{Key: PaceTag, Value: "seconds"}, ""},
		{tag.Tag{Key: PaceTag, Value: "aws"}, ""},
		{tag.Tag{Key: "team", Value: "minutes"}, ""},
		{tag.Tag{Key: PaceTag, Value: "minutes"},
			`The value "minutes" of the tag berth:pace is invalid: it must be seconds or aws.`},
		{tag.Tag{Key: PaceTag}, `The value "" of the tag berth:pace is invalid: it must be seconds or aws.`},
	} {
		if got := WrongPace(c.tag); got != c.want {
			t.Errorf("%+v: %q, want %q", c.tag, got, c.want)
		}
	}
}
