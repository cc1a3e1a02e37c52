package reshape

import (
	"errors"
	"fmt"
	"reflect"
	"testing"
	"time"

	"pgregory.net/rapid"
)

type status string

type wirePort struct {
	ContainerPort *int32  `json:"containerPort"`
	Extra         *string `json:"extra"`
}

type wireTask struct {
	TaskArn *string    `json:"taskArn"`
	Status  string     `json:"status"`
	Ports   []wirePort `json:"ports"`
	At      *time.Time `json:"at"`
	Labels  map[string]string
	Weight  *int32
	Enable  *bool
}

type port struct{ ContainerPort int }

type task struct {
	TaskARN string
	Status  status
	Ports   []port
	At      time.Time
	Labels  map[string]string
	Weight  *int
	Enable  bool
	private int
	Inner   string // not on the wire
}

func TestRoundTrip(t *testing.T) {
	at := time.Unix(5, 0).UTC()
	in := wireTask{TaskArn: new("a"), Status: "RUNNING", Ports: []wirePort{{ContainerPort: new(int32(80))}}, At: &at,
		Labels: map[string]string{"k": "v"}, Weight: new(int32(0)), Enable: new(true)}
	got, err := In[task](&in)
	if err != nil {
		t.Fatal(err)
	}
	want := task{TaskARN: "a", Status: "RUNNING", Ports: []port{{80}}, At: at,
		Labels: map[string]string{"k": "v"}, Weight: new(0), Enable: true}
	if !reflect.DeepEqual(got, want) {
		t.Fatalf("In = %+v, want %+v", got, want)
	}
	got.Inner, got.private = "x", 1
	if back := Out[wireTask](&got); !reflect.DeepEqual(back, in) {
		t.Errorf("Out = %+v, want %+v", back, in)
	}
}

func TestInNamesTheFieldItCannotHold(t *testing.T) {
	_, err := In[task](wireTask{Ports: []wirePort{{}, {Extra: new("x")}}})
	e, ok := errors.AsType[*UnknownFieldError](err)
	if !ok || e.Path != "ports[1].extra" {
		t.Errorf("err = %v, want an UnknownFieldError at ports[1].extra", err)
	}
}

// A member that the target type does not have is dropped only if its value is empty.
func TestInTakesEmptyFields(t *testing.T) {
	type nested struct{ On *bool }
	type more struct {
		TaskArn *string
		Extras  []string
		Nested  *nested
	}
	if got, err := In[task](more{
		TaskArn: new("a"), Extras: []string{}, Nested: &nested{On: new(false)},
	}); err != nil || got.TaskARN != "a" {
		t.Errorf("In = %+v, %v", got, err)
	}
	for name, src := range map[string]more{
		"Extras": {Extras: []string{""}}, "Nested": {Nested: &nested{On: new(true)}},
	} {
		if _, err := In[task](src); err == nil || err.Error() != "no place for the field "+name {
			t.Errorf("%s: err = %v", name, err)
		}
	}
}

func TestOutLeavesZeroAbsent(t *testing.T) {
	if got := Out[wireTask](task{}); !reflect.DeepEqual(got, wireTask{}) {
		t.Errorf("Out of nothing = %+v", got)
	}
}

func TestInCopiesMemory(t *testing.T) {
	in := wireTask{Labels: map[string]string{"k": "v"}}
	got, err := In[task](in)
	if err != nil {
		t.Fatal(err)
	}
	in.Labels["k"] = "changed"
	if got.Labels["k"] != "v" {
		t.Error("the noun shares a map with the request")
	}
}

// outer and inner have fields of every form that nouns use. The wire types below have the same fields as
// generated shapes.
type (
	inner struct {
		Text  string
		Count int
		Maybe *int
		Words []string
	}
	outer struct {
		NameARN string
		Kind    status
		On      bool
		Share   float64
		Big     int64
		At      time.Time
		One     *inner
		Plain   inner
		Many    []inner
		Labels  map[string]string
		ByName  map[string]inner
	}
	wireInner struct {
		Text  *string  `json:"text"`
		Count *int32   `json:"count"`
		Maybe *int32   `json:"maybe"`
		Words []string `json:"words"`
	}
	wireOuter struct {
		NameArn *string              `json:"nameArn"`
		Kind    string               `json:"kind"`
		On      *bool                `json:"on"`
		Share   *float64             `json:"share"`
		Big     *int64               `json:"big"`
		At      *time.Time           `json:"at"`
		One     *wireInner           `json:"one"`
		Plain   *wireInner           `json:"plain"`
		Many    []wireInner          `json:"many"`
		Labels  map[string]string    `json:"labels"`
		ByName  map[string]wireInner `json:"byName"`
	}
)

func inners(t *rapid.T) inner {
	in := inner{Text: rapid.String().Draw(t, "text"), Count: int(rapid.Int32().Draw(t, "count")),
		Words: rapid.SliceOfN(rapid.String(), 0, 3).Draw(t, "words")}
	if rapid.Bool().Draw(t, "has maybe") {
		in.Maybe = new(int(rapid.Int32().Draw(t, "maybe")))
	}
	return in
}

func outers(t *rapid.T) outer {
	part := rapid.Custom(inners)
	out := outer{
		NameARN: rapid.String().Draw(t, "name"), Kind: status(rapid.String().Draw(t, "kind")),
		On: rapid.Bool().Draw(t, "on"), Share: rapid.Float64().Draw(t, "share"),
		Big: rapid.Int64().Draw(t, "big"), Plain: part.Draw(t, "plain"), Many: rapid.SliceOfN(part, 0,
			3).Draw(t, "many"), Labels: rapid.MapOfN(rapid.String(), rapid.String(), 0, 3).Draw(t, "labels"),
		ByName: rapid.MapOfN(rapid.String(), part, 0, 3).Draw(t, "by name"),
	}
	if rapid.Bool().Draw(t, "has at") {
		out.At = time.Unix(rapid.Int64Range(1, 1<<40).Draw(t, "at"), 0).UTC()
	}
	if rapid.Bool().Draw(t, "has one") {
		out.One = new(part.Draw(t, "one"))
	}
	return out
}

// A noun that is converted to a wire type and back is the same, and shares no memory with the wire value.
func TestNounsComeBackFromTheWire(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := outers(t)
		wire := Out[wireOuter](&want)
		got, err := In[outer](&wire)
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Fatalf("%+v came back as %+v, %v", want, got, err)
		}
		for k := range wire.Labels {
			wire.Labels[k] += "changed"
		}
		for i := range wire.Many {
			wire.Many[i] = wireInner{}
		}
		if !reflect.DeepEqual(got, want) {
			t.Fatal("the noun shares memory with the request")
		}
	})
}

// If the noun has no field for a member, at any depth, the error names the member. A member that is given but
// zero is accepted.
func TestNoMemberIsLeftOut(t *testing.T) {
	type narrow struct {
		Many []struct {
			Text  string
			Words []string
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		in := Out[wireOuter](outer{Many: rapid.SliceOfN(rapid.Custom(inners), 1, 4).Draw(t, "many")})
		at := ""
		for i, m := range in.Many {
			switch {
			case m.Count != nil:
				at = fmt.Sprintf("many[%d].count", i)
			case m.Maybe != nil && *m.Maybe != 0:
				at = fmt.Sprintf("many[%d].maybe", i)
			}
			if at != "" {
				break
			}
		}
		_, err := In[narrow](in)
		e, refused := errors.AsType[*UnknownFieldError](err)
		if refused != (at != "") || refused && e.Path != at {
			t.Fatalf("err = %v, want %q to be refused", err, at)
		}
	})
}

// A number that is too large for its target is an error. It is not truncated.
func TestNumbersAreNotCut(t *testing.T) {
	if _, err := In[struct{ N int32 }](struct{ N int64 }{1 << 40}); err == nil {
		t.Error("1<<40 was accepted for 32 bits")
	}
}
