package repository

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

func rule(priority int, selection string) string {
	return fmt.Sprintf(`{"rulePriority":%d,"selection":{%s},"action":{"type":"expire"}}`, priority, selection)
}

func rules(r ...string) string { return `{"rules":[` + strings.Join(r, ",") + `]}` }

// The cases follow the examples of "Examples of lifecycle policies" in the Amazon ECR user guide.
func TestLifecycle(t *testing.T) {
	image := func(name string, days int, tags ...string) *Image {
		return &Image{Digest: name, PushedAt: noon.AddDate(0, 0, -days), Tags: tags}
	}
	images := []*Image{
		image("a", 1, "prod-3", "latest"), image("b", 2, "prod-2"), image("c", 3, "prod-1"),
		image("d", 20, "beta-1"), image("e", 5), image("f", 15),
	}
	index := image("i", 1, "list")
	index.Children = []string{"f"}
	for _, c := range []struct{ policy, want string }{
		{rules(rule(1, `"tagStatus":"untagged","countType":"sinceImagePushed","countUnit":"days","countNumber":14`)),
			"f"},
		{rules(rule(1, `"tagStatus":"untagged","countType":"imageCountMoreThan","countNumber":1`)), "f"},
		{rules(rule(1, `"tagStatus":"any","countType":"imageCountMoreThan","countNumber":2`)), "c d e f"},
		{rules(rule(1, `"tagStatus":"tagged","tagPrefixList":["prod"],"countType":"imageCountMoreThan",`+
			`"countNumber":1`)), "b c"},
		{rules(rule(1, `"tagStatus":"tagged","tagPatternList":["*-1"],"countType":"imageCountMoreThan",`+
			`"countNumber":1`)), "d"},
		{rules(rule(1, `"tagStatus":"tagged","tagPrefixList":["prod","latest"],`+
			`"countType":"sinceImagePushed","countUnit":"days","countNumber":1`)), ""},
		{rules(rule(2, `"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1`),
			// what the first rule keeps, the second does not expire
			rule(1, `"tagStatus":"tagged","tagPrefixList":["prod"],"countType":"imageCountMoreThan","countNumber":3`)),
			"d f"},
	} {
		l, err := ParseLifecycle(c.policy)
		if err != nil {
			t.Errorf("%s: %v", c.policy, err)
			continue
		}
		var got []string
		for _, img := range l.Expired(images, noon) {
			got = append(got, img.Digest)
		}
		if strings.Join(got, " ") != c.want {
			t.Errorf("%s expires %v, want %s", c.policy, got, c.want)
		}
		for _, img := range l.Expired(append(images, index), noon) {
			if img.Digest == "f" {
				t.Errorf("%s expires an image of an index that stays", c.policy)
			}
		}
	}
}

func TestBadLifecycles(t *testing.T) {
	any := `"tagStatus":"any","countType":"imageCountMoreThan","countNumber":1`
	untagged := strings.Replace(any, `"any"`, `"untagged"`, 1)
	for policy, want := range map[string]string{
		`{`:                                    "cannot be read",
		`{"rules":[]}`:                         "0 rules",
		`{"rules":[],"x":1}`:                   "unknown field",
		rules(rule(0, any)):                    "priority",
		rules(rule(1, untagged), rule(1, any)): "two rules",
		rules(rule(1, any), rule(2, any)):      "must come last",
		rules(rule(1, `"tagStatus":"tagged","countType":"imageCountMoreThan","countNumber":1`)): "either tagPrefixList",
		rules(rule(1, `"tagStatus":"any","tagPrefixList":["a"],"countType":"imageCountMoreThan",`+
			`"countNumber":1`)): "need tagStatus tagged",
		rules(rule(1, `"tagStatus":"any","countType":"sinceImagePushed","countNumber":1`)): "countUnit must be days",
		rules(rule(1, `"tagStatus":"any","countType":"sinceImagePulled","countUnit":"days",`+
			`"countNumber":1`)): "not supported",
		rules(rule(1, `"tagStatus":"any","countType":"imageCountMoreThan","countNumber":0`)):      "at least 1",
		`{"rules":[{"rulePriority":1,"selection":{` + any + `},"action":{"type":"transition"}}]}`: "use expire",
	} {
		if _, err := ParseLifecycle(policy); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v, want %s", policy, err, want)
		}
	}
}

func FuzzParseLifecycle(f *testing.F) {
	f.Add(rules(rule(1,
		`"tagStatus":"tagged","tagPatternList":["a*[?\\"],"countType":"imageCountMoreThan","countNumber":1`)))
	f.Fuzz(func(t *testing.T, text string) {
		if l, err := ParseLifecycle(text); err == nil {
			l.Expired([]*Image{{Digest: "a", Tags: []string{"x"}}, {Digest: "b"}}, time.Time{})
		}
	})
}
