package request

import (
	"errors"
	"fmt"
	"iter"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/awswire"
	"github.com/berthhq/berth/internal/fault"
)

var testPages = Pages{Default: 3, Least: 1, Most: 5, Refuse: func(size, least, most int32) error {
	return fault.New("Bad", "%d is not between %d and %d", size, least, most)
}}

// All pages together are the whole list in order, for any page sizes, for both orders, and also if the list
// was not sorted.
func TestPagesAreTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfDistinct(rapid.StringMatching(`[a-z]{1,3}`), Itself).Draw(t, "list")
		want := slices.Sorted(slices.Values(list))
		down := rapid.Bool().Draw(t, "descending")
		if down {
			slices.Reverse(want)
		}
		var got []string
		var token *string
		for first := true; first || token != nil; first = false {
			asked := testPages.Ask(nil, token)
			asked.Descending = down
			if rapid.Bool().Draw(t, "sized") {
				asked.Size = new(rapid.Int32Range(1, 5).Draw(t, "size"))
			}
			page, next, err := Page(&awswire.Call{}, asked, slices.Clone(list), Itself, "bound")
			if err != nil || page == nil || len(page) > int(asked.size()) {
				t.Fatalf("%v %v", page, err)
			}
			got, token = append(got, page...), next
		}
		if !slices.Equal(got, want) {
			t.Fatalf("the pages have %v of %v", got, want)
		}
	})
}

// unread returns a list that fails the test when it is read.
func unread(t *testing.T) iter.Seq[string] {
	return func(func(string) bool) { t.Error("the list was read") }
}

func TestPagesAreRefused(t *testing.T) {
	_, token, err := Cut(&awswire.Call{}, testPages.Ask(new(int32(1)), nil), slices.Values([]string{"a", "b"}),
		Itself, "x")
	if token == nil || err != nil {
		t.Fatal(token, err)
	}
	for what, asked := range map[string]Asked{
		"Bad: 0 is not between 1 and 5":                             testPages.Ask(new(int32(0)), nil),
		"Bad: 6 is not between 1 and 5":                             testPages.Ask(new(int32(6)), nil),
		"InvalidParameterException: The nextToken is invalid. Use ": testPages.Ask(nil, token),
	} {
		items, next, err := Cut(&awswire.Call{}, asked, unread(t), Itself, "y")
		if items != nil || next != nil || err == nil || err.Error()[:min(len(what), len(err.Error()))] != what {
			t.Errorf("%v %v %v, want %s", items, next, err, what)
		}
	}
	if err := testPages.Ask(nil, nil).Check(); err != nil {
		t.Error("the default size is refused:", err)
	}
	if err := testPages.Ask(new(int32(9)), nil).Check(); !errors.Is(err, fault.New("Bad", "")) {
		t.Error(err)
	}
}

// Cut reads only the items of one page and one more.
func TestCutReadsNoMoreThanItNeeds(t *testing.T) {
	read := 0
	endless := func(yield func(string) bool) {
		for ; yield(fmt.Sprintf("%08d", read)); read++ {
		}
	}
	page, next, err := Cut(&awswire.Call{}, testPages.Ask(nil, nil), endless, Itself)
	if len(page) != 3 || next == nil || err != nil || read != 3 {
		t.Errorf("%v %v %v, %d read", page, next, err, read)
	}
}

func TestWhere(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOf(rapid.IntRange(0, 9)).Draw(t, "list")
		most := rapid.IntRange(0, 5).Draw(t, "most")
		even := func(n int) bool { return n%2 == 0 }
		var want, got []int
		for _, n := range list {
			if even(n) && len(want) < most {
				want = append(want, n)
			}
		}
		for n := range Where(slices.Values(list), even) {
			if len(got) == most {
				break
			}
			got = append(got, n)
		}
		if !slices.Equal(got, want) {
			t.Fatalf("%v of %v, want %v", got, list, want)
		}
	})
}

func TestAnswers(t *testing.T) {
	if got := Answers([]int{1, 2}, func(n int) string { return fmt.Sprint(n) }); !slices.Equal(got,
		[]string{"1", "2"}) {
		t.Error(got)
	}
	if got := Answers(nil, func(n int) string { return fmt.Sprint(n) }); got == nil || len(got) != 0 {
		t.Errorf("%#v, want an empty list", got)
	}
}
