package reshape

import (
	"errors"
	"reflect"
	"testing"
	"time"
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
	Inner   string // has no place on the wire
}

func TestRoundTrip(t *testing.T) {
	at := time.Unix(5, 0).UTC()
	in := wireTask{TaskArn: new("a"), Status: "RUNNING", Ports: []wirePort{{ContainerPort: new(int32(80))}}, At: &at,
		Labels: map[string]string{"k": "v"}, Weight: new(int32(0)), Enable: new(true)}
	got, err := In[task](&in)
	if err != nil {
		t.Fatal(err)
	}
	want := task{TaskARN: "a", Status: "RUNNING", Ports: []port{{80}}, At: at, Labels: map[string]string{"k": "v"}, Weight: new(0), Enable: true}
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
