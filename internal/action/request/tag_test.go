package request

import (
	"testing"

	shape "github.com/berthhq/berth/internal/awswire/shape/ec2"
	"github.com/berthhq/berth/internal/tag"
)

// A tag with an empty value is answered with that value, as AWS does.
func TestAnswerTags(t *testing.T) {
	got := AnswerTags[shape.Tag](tag.Set{{Key: "a"}, {Key: "b", Value: "2"}})
	if len(got) != 2 || *got[0].Key != "a" || got[0].Value == nil || *got[0].Value != "" || *got[1].Value != "2" {
		t.Errorf("%+v", got)
	}
	if AnswerTags[shape.Tag](nil) != nil {
		t.Error("AnswerTags of no tags is not nil")
	}
	if in := Tags([]shape.Tag{{Key: new("a")}}); len(in) != 1 || in[0] != (tag.Tag{Key: "a"}) {
		t.Errorf("read %+v", in)
	}
}
