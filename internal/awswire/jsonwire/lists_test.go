package jsonwire

import (
	"reflect"
	"testing"

	"github.com/berthhq/berth/internal/awswire/shape/ecs"
)

// The encoder writes the lists below the top of an answer that AWS writes when they are empty, whatever
// the action has set.
func TestEmptyListsOfAWS(t *testing.T) {
	out := ecs.DescribeTasksOutput{Tasks: []ecs.Task{{
		Containers: []ecs.Container{{}}, Overrides: &ecs.TaskOverride{}, Tags: []ecs.Tag{},
	}}}
	text, err := Encode(reflect.ValueOf(&out).Elem(), structOf(t, reflect.TypeOf(out)))
	if err != nil {
		t.Fatal(err)
	}
	want := `{"tasks":[{"containers":[{"networkBindings":[],"networkInterfaces":[]}],` +
		`"overrides":{"containerOverrides":[]},"tags":[]}]}`
	if string(text) != want {
		t.Errorf("got  %s\nwant %s", text, want)
	}
}
