package main

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"
)

// The files in the repository equal those that the generator writes.
func TestCheckedInShapesAreCurrent(t *testing.T) {
	for _, s := range services {
		t.Run(s.Package, func(t *testing.T) {
			if _, err := moduleDir(s.Module, s.Version); err != nil {
				if os.Getenv("BERTH_CI") == "1" {
					t.Fatal(err)
				}
				t.Skip("missing: the SDK's module, which this test does not download: ", err)
			}
			files, err := generate(s)
			if err != nil {
				t.Fatal(err)
			}
			dir := filepath.Join("..", "shape", s.Package)
			for name, want := range files {
				got, err := os.ReadFile(filepath.Join(dir, name))
				if err != nil {
					t.Error(err)
				} else if !bytes.Equal(got, want) {
					t.Errorf("%s/%s is not what the generator writes: go generate ./internal/awswire/shape",
						s.Package, name)
				}
			}
			entries, err := os.ReadDir(dir)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range entries {
				if files[e.Name()] == nil {
					t.Errorf("%s/%s is not made by the generator", s.Package, e.Name())
				}
			}
		})
	}
}

// Members of each kind get the right tags.
func TestTags(t *testing.T) {
	for _, c := range []struct {
		f    field
		want string
	}{
		{field{JSON: &wire{Name: "clusterName"}}, `json:"clusterName"`},
		{field{Query: &wire{Name: "Filter", Flat: true, Item: "Filter"}}, `query:"Filter,flat"`},
		{field{Query: &wire{Name: "Tags", Item: "member"}, XML: &wire{Name: "Tags", Item: "member"}, Required: true},
			`query:"Tags,item=member" xml:"Tags,item=member" required:"true"`},
		{field{XML: &wire{Name: "P", Entry: "entry", Key: "key", Elem: "value"}, Enum: "E"},
			`xml:"P,entry=entry,key=key,value=value" enum:"E"`},
	} {
		if got := tags(c.f); got != c.want {
			t.Errorf("%s, want %s", got, c.want)
		}
	}
}
