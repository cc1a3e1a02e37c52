package ecr

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecr"
)

// A repository has at most fifty tags, and their limits count characters, as the API's model does.
func TestTagsOfARepository(t *testing.T) {
	r := newRig(t)
	d := desktest.New(t, Service(r.store, r.registry, r.passwords))
	call := func(action, input string) string {
		t.Helper()
		return d.Post(t, "ecr", shape.TargetPrefix+"."+action, input)
	}
	call("CreateRepository", `{'repositoryName':'chat'}`)
	const arn = `'resourceArn':'arn:aws:ecr:us-east-1:123456789012:repository/chat'`
	long := strings.Repeat("ä", 128)
	tag := func(key, value string) string { return `{'Key':'` + key + `','Value':'` + value + `'}` }
	if out := call("TagResource", `{`+arn+`,'tags':[`+tag(long, long+long)+`]}`); out != "{}" {
		t.Errorf("the longest tag: %s", out)
	}
	for _, bad := range []string{tag(long+"ä", ""), tag("k", long+long+"ä"), tag("aws:k", "")} {
		if out := call("TagResource", `{`+arn+`,'tags':[`+bad+`]}`); !strings.HasPrefix(out,
			"InvalidTagParameterException: The tag ") {
			t.Errorf("%s: %s", bad, out)
		}
	}
	var many []string
	for i := range 49 {
		many = append(many, tag("k"+strings.Repeat("x", i), ""))
	}
	if out := call("TagResource", `{`+arn+`,'tags':[`+strings.Join(many, ",")+`]}`); out != "{}" {
		t.Errorf("fifty tags: %s", out)
	}
	if out := call("TagResource", `{`+arn+`,'tags':[`+tag("one more", "")+`]}`); !strings.HasPrefix(out,
		"TooManyTagsException: A repository can have no more than 50 tags.") {
		t.Errorf("fifty-one tags: %s", out)
	}
	if out := call("ListTagsForResource", `{`+arn+`}`); strings.Count(out, `"Key"`) != 50 {
		t.Errorf("the tags are %s", out)
	}
}
