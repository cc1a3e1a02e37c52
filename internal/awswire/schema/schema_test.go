package schema

import (
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

type tree struct {
	Name     *string         `json:"name" query:"Name" required:"true"`
	Children []tree          `json:"children" query:"Child,flat"`
	ByName   map[string]tree `json:"byName" query:"ByName,entry=entry,key=key,value=value"`
	Either   *either         `json:"either" query:"Either"`
	Kind     string          `json:"kind" query:"Kind" enum:"Kind"`
	Only     *string         `xml:"only"` // in answers only
}

type either struct {
	_ struct{} `shape:"union"`
	A *string  `json:"a" query:"A"`
	B *bool    `json:"b" query:"B"`
}

func structOf(t testing.TB, v any) *Struct {
	t.Helper()
	var c Cache
	s, err := c.Of(reflect.TypeOf(v))
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestTagsAreRead(t *testing.T) {
	s := structOf(t, tree{})
	f, ok := s.Lookup(Query, "Child")
	if !ok || !f.Query.Flat || f.Type.Kind != List || f.Type.Elem.Struct != s {
		t.Errorf("Child: %+v", f)
	}
	f, _ = s.Lookup(Query, "ByName")
	if want := (Names{Name: "ByName", Entry: "entry", Key: "key", Value: "value"}); f.Query != want {
		t.Errorf("ByName: %+v", f.Query)
	}
	f, _ = s.Lookup(JSON, "kind")
	if f.Type.Enum != "Kind" || f.Required {
		t.Errorf("kind: %+v", f)
	}
	for _, name := range []string{"Name", "NAME", "Kind", "only", ""} {
		if _, ok := s.Lookup(JSON, name); ok {
			t.Errorf("%q is not a JSON name", name)
		}
	}
}

func kinds(problems []Problem) string {
	var all []string
	for _, p := range problems {
		all = append(all, map[ProblemKind]string{
			Missing: "missing ", Refused: "refused ", NotUnion: "not one of ",
		}[p.Kind]+p.Path.String())
	}
	slices.Sort(all)
	return strings.Join(all, ", ")
}

func TestCheck(t *testing.T) {
	s := structOf(t, tree{})
	refused, err := s.Refuse(JSON, "children[].kind", "byName{}.children", "either.b")
	if err != nil {
		t.Fatal(err)
	}
	name := new("x")
	for _, c := range []struct {
		in   tree
		want string
	}{
		{tree{Name: name}, ""},
		{tree{}, "missing name"},
		{tree{Name: name, Children: []tree{{Name: name}, {}}}, "missing children[1].name"},
		{tree{Name: name, Children: []tree{{Name: name, Kind: "a"}}}, "refused children[0].kind"},
		{tree{Name: name, Kind: "a"}, ""}, // refused only inside other structures
		{tree{Name: name, ByName: map[string]tree{"k": {Name: name, Children: []tree{{}}}}},
			"refused byName.k.children"},
		{tree{Name: name, ByName: map[string]tree{"k": {Name: name, Children: []tree{}}}}, ""}, // empty: no effect
		{tree{Name: name, Either: &either{}}, "not one of either"},
		{tree{Name: name, Either: &either{A: name, B: new(false)}}, "not one of either"},
		{tree{Name: name, Either: &either{B: new(true)}}, "refused either.b"},
		{tree{Name: name, Either: &either{A: new("")}}, ""},
	} {
		if got := kinds(s.Check(reflect.ValueOf(c.in), JSON, refused)); got != c.want {
			t.Errorf("%+v: %q, want %q", c.in, got, c.want)
		}
	}
}

// A refused structure whose members are all false, such as {"enabled": false}, is accepted.
func TestRefusedStructureWithDefaults(t *testing.T) {
	s := structOf(t, tree{})
	refused, err := s.Refuse(JSON, "either")
	if err != nil {
		t.Fatal(err)
	}
	for want, in := range map[string]tree{
		"":               {Name: new("x"), Either: &either{B: new(false)}},
		"refused either": {Name: new("x"), Either: &either{B: new(true)}},
	} {
		if got := kinds(s.Check(reflect.ValueOf(in), JSON, refused)); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}

func TestRefusalsMustExist(t *testing.T) {
	s := structOf(t, tree{})
	for _, p := range []string{"x", "Name", "name.x", "children[].x", "only"} {
		if _, err := s.Refuse(JSON, p); err == nil {
			t.Errorf("%q: no error", p)
		}
	}
	if r, err := s.Refuse(JSON); r != nil || err != nil {
		t.Errorf("no refusals: %v %v", r, err)
	}
}

func TestPaths(t *testing.T) {
	p := Path{}.Member("ContainerDefinitions").Item(1).Member("Name")
	for got, want := range map[string]string{
		p.String(): "ContainerDefinitions[1].Name", p.Constraint(): "containerDefinitions.2.member.name",
		p.Parameter(): "ContainerDefinitions.2.Name",
	} {
		if got != want {
			t.Errorf("%s, want %s", got, want)
		}
	}
	a, b := p.Member("a"), p.Member("b")
	if a.String() == b.String() {
		t.Error("paths share memory")
	}
}

func TestNearest(t *testing.T) {
	s := structOf(t, tree{})
	for mistaken, want := range map[string]string{
		"NAME": "name", "nmae": "name", "childern": "children", "byname": "byName", "xyzzy": "", "": "", "only": "",
		strings.Repeat("n", 100_000): "",
	} {
		if got := s.Nearest(JSON, mistaken); got != want {
			t.Errorf("%.20q: %q, want %q", mistaken, got, want)
		}
	}
}

// Up to its limit, the distance is symmetric and satisfies the triangle inequality.
func TestDistance(t *testing.T) {
	word := rapid.StringMatching(`[ab]{0,8}`)
	rapid.Check(t, func(t *rapid.T) {
		a, b, c := word.Draw(t, "a"), word.Draw(t, "b"), word.Draw(t, "c")
		ab := distance(a, b, 100)
		if ab != distance(b, a, 100) || (ab == 0) != (a == b) || ab > distance(a, c, 100)+distance(c, b, 100) {
			t.Fatalf("distance(%q, %q) = %d", a, b, ab)
		}
	})
}

func TestShapesOnly(t *testing.T) {
	var c Cache
	for _, v := range []any{
		struct{ C chan int }{}, struct{ M map[int]string }{}, struct{ F func() }{}, struct{ N int8 }{}, 1,
	} {
		if _, err := c.Of(reflect.TypeOf(v)); err == nil {
			t.Errorf("%T: no error", v)
		}
	}
}
