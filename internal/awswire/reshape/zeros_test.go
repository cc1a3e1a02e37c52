package reshape

import (
	"reflect"
	"slices"
	"testing"
)

// When a request was converted to a noun and back, the members that the caller set to zero are still there,
// and no others are added.
func TestZerosComeBack(t *testing.T) {
	in := wireOuter{NameArn: new(""), On: new(false), Share: new(1.5),
		One:  &wireInner{Count: new(int32(0)), Words: []string{}},
		Many: []wireInner{{Text: new("x")}, {Text: new("")}}, Labels: map[string]string{}}
	zeros := Zeros(&in)
	if want := []string{
		"nameArn", "on", "one.count", "one.words", "many[1].text", "labels",
	}; !slices.Equal(slices.Sorted(slices.Values(zeros)), slices.Sorted(slices.Values(want))) {
		t.Errorf("Zeros = %q, want %q", zeros, want)
	}
	noun, err := In[outer](&in)
	if err != nil {
		t.Fatal(err)
	}
	noun.Plain = inner{}
	out := Out[wireOuter](&noun)
	Restore(&out, zeros)
	if !reflect.DeepEqual(out, in) {
		t.Errorf("restored %+v, want %+v", out, in)
	}
}
