package awswire

import (
	"encoding/base64"
	"errors"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/berthhq/berth/internal/fault"
)

func pageCall(action string) *Call {
	return &Call{Service: "ecs", Action: action, Region: testRegion, Account: testAccount,
		pages: pages{key: []byte("k"), code: "InvalidParameterException"}}
}

func same(s string) string { return s }

// All pages together have every item of the list once, even if items are removed between two pages.
func TestPagesAreTheList(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		list := rapid.SliceOfDistinct(rapid.StringMatching(`[a-z0-9/:]{1,12}`), same).Draw(t, "list")
		slices.Sort(list)
		limit := rapid.IntRange(1, 5).Draw(t, "limit")
		var got []string
		var token *string
		for first := true; first || token != nil; first = false {
			p, err := pageCall("ListTasks").Page(token, "cluster", "RUNNING")
			if err != nil {
				t.Fatal(err)
			}
			var page []string
			page, token = Cut(p, limit, slices.Values(list), same)
			if len(page) > limit || token != nil && len(page) < limit {
				t.Fatalf("a page of %d, limit %d, more: %v", len(page), limit, token != nil)
			}
			got = append(got, page...)
		}
		if !slices.Equal(got, list) {
			t.Fatalf("pages have %v of %v", got, list)
		}
	})
}

func TestTokensAreBoundAndTamperEvident(t *testing.T) {
	first, err := pageCall("ListTasks").Page(nil, "cluster", "RUNNING")
	if err != nil {
		t.Fatal(err)
	}
	token := first.Token("key")
	if p, err := pageCall("ListTasks").Page(token, "cluster", "RUNNING"); err != nil || p.After != "key" {
		t.Fatalf("%+v %v", p, err)
	}
	other := pageCall("ListTasks")
	other.Region = "us-east-1"
	raw, _ := base64.URLEncoding.DecodeString(*token)
	raw[len(raw)-1]++
	for name, attempt := range map[string]func() (Page, error){
		"another action": func() (Page, error) {
			return pageCall("ListServices").Page(token, "cluster", "RUNNING")
		},
		"another region":       func() (Page, error) { return other.Page(token, "cluster", "RUNNING") },
		"another filter":       func() (Page, error) { return pageCall("ListTasks").Page(token, "cluster", "STOPPED") },
		"filters run together": func() (Page, error) { return pageCall("ListTasks").Page(token, "clusterRUNNING") },
		"changed": func() (Page, error) {
			return pageCall("ListTasks").Page(new(base64.URLEncoding.EncodeToString(raw)), "cluster", "RUNNING")
		},
		"made up": func() (Page, error) { return pageCall("ListTasks").Page(new("x"), "cluster", "RUNNING") },
	} {
		if _, err := attempt(); !errors.Is(err, fault.New("InvalidParameterException", "")) ||
			!strings.Contains(err.Error(), "The nextToken is invalid") {
			t.Errorf("%s: %v", name, err)
		}
	}
	// Services that call the token a marker have "marker" in their faults.
	marked := pageCall("DescribeLoadBalancers")
	marked.pages.name = "marker"
	if _, err := marked.Page(token); err == nil || !strings.Contains(err.Error(), "The marker is invalid") {
		t.Error(err)
	}
}
