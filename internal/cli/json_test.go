package cli

import (
	"encoding/json"
	"os"
	"reflect"
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/berthhq/berth/internal/golden"
	"github.com/berthhq/berth/internal/status"
	"github.com/berthhq/berth/internal/why"
)

// withoutJSON are the commands that have no --json, and why.
var withoutJSON = map[string]string{
	"berth server":     "it runs until it is stopped, and its log is key=value",
	"berth agent":      "the same",
	"berth demo":       "a show for people, until Ctrl-C",
	"berth completion": "its output is a script for a shell",
	"berth help":       "its output is for people",
}

// leaves returns the commands under c that can be run.
func leaves(c *cobra.Command) (all []*cobra.Command) {
	for _, sub := range c.Commands() {
		all = append(all, leaves(sub)...)
	}
	if c.Runnable() && !c.HasSubCommands() {
		all = append(all, c)
	}
	return all
}

// Lists and maps without elements are written as empty ones and not as null, so that programs can iterate over them.
func TestJSONHasNoNullLists(t *testing.T) {
	var out strings.Builder
	report := status.Report{
		Clusters:      []status.Cluster{{Name: "c", Services: []status.Service{{Name: "s"}}}},
		LoadBalancers: []status.LoadBalancer{{Listeners: []status.Listener{{}}}}, Disk: &status.Disk{},
	}
	for _, v := range []any{report, why.Answer{Latest: &why.Latest{}}, backedUp{}, checked{}} {
		if err := printJSON(&out, v); err != nil {
			t.Fatal(err)
		}
	}
	if report.Caches != nil || report.Clusters[0].Services[0].Tasks != nil {
		t.Error("the value itself was changed")
	}
	if text := out.String(); strings.Contains(text, ": null") || strings.Count(text, `"Tasks": []`) != 2 ||
		!strings.Contains(text, `"Targets": {}`) || !strings.Contains(text, `"Reasons": []`) {
		t.Error(text)
	}
}

// Every command prints JSON with --json, and its help and docs/running.md list the fields. Names of fields must not
// change. If this test fails, a change breaks users' programs, or a new field is missing in the page (go test -rewrite
// adds it).
func TestEveryCommandHasJSON(t *testing.T) {
	root, _ := newRoot(streams{})
	root.InitDefaultHelpCmd()
	var page strings.Builder
	unused := map[string]string{}
	for name, why := range withoutJSON {
		unused[name] = why
	}
	for _, c := range leaves(root) {
		if _, exempt := withoutJSON[c.CommandPath()]; exempt {
			delete(unused, c.CommandPath())
			if c.Flags().Lookup("json") != nil {
				t.Errorf("%s has --json and is in the list of those that have not", c.CommandPath())
			}
			continue
		}
		shape := jsonShape(c)
		if shape == "" {
			t.Errorf("%s has no --json; add it with jsonFlag", c.CommandPath())
			continue
		}
		words := strings.Fields(c.CommandPath())
		out, stderr, code := call(append(words[1:], "--help")...)
		told := "\nJSON:\n  " + indent(wrap(shape, width-2), 2) + "\n"
		if code != 0 || stderr != "" || !strings.HasSuffix(out, told) || !strings.Contains(out, "--json") {
			t.Errorf("%s --help does not list the fields: %d, %q %q", c.CommandPath(), code, out, stderr)
		}
		page.WriteString(c.CommandPath() + "\n  " + indent(wrap(shape, 110), 2) + "\n")
	}
	for name := range unused {
		t.Errorf("%s is no command", name)
	}
	golden.Compare(t, "json.txt", page.String())
	text, err := os.ReadFile("../../docs/running.md")
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(string(text), "```text\n"+page.String()+"```\n") {
		t.Error("docs/running.md does not list what testdata/json.txt has")
	}
}

// The fields that --help lists are those of the JSON.
func TestShape(t *testing.T) {
	type inner struct{ A int }
	type base struct{ B string }
	value := struct {
		base
		Many   []inner
		One    *inner `json:",omitempty"`
		Named  int    `json:"other"`
		Hidden int    `json:"-"`
		Texts  []string
		By     map[string]int
	}{Many: []inner{{1}}, One: &inner{2}}
	if got, want := shape(reflect.TypeOf(value)), "{B, Many [{A}], One {A}, other, Texts [], By}"; got != want {
		t.Errorf("shape = %s, want %s", got, want)
	}
	text, err := json.Marshal(value)
	if err != nil {
		t.Fatal(err)
	}
	var back map[string]any
	if err := json.Unmarshal(text, &back); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"B", "Many", "One", "other", "Texts", "By"} {
		if _, ok := back[name]; !ok {
			t.Errorf("%s lacks %s", text, name)
		}
	}
	if len(back) != 6 {
		t.Errorf("%s has other fields", text)
	}
}
