package arn

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// An image in ECR is found in whatever its account, region, repository and tag are, and never in the path of an image
// of another registry.
func TestParseImage(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		want := Image{Account: rapid.StringMatching(`[0-9]{12}`).Draw(t, "account"),
			Region: rapid.StringMatching(`[a-z]{2}-[a-z]{4,9}-[1-9]`).Draw(t, "region"),
			Path:   rapid.StringMatching(`[a-z]{1,5}(/[a-z]{1,5})?(:[\w.-]{1,5}|@sha256:[0-9a-f]{4})?`).Draw(t, "path")}
		end := rapid.SampledFrom([]string{".amazonaws.com/", ".amazonaws.com.cn/"}).Draw(t, "end")
		name := want.Account + ".dkr.ecr." + want.Region + end + want.Path
		if got, ok := ParseImage(name); !ok || got != want {
			t.Fatalf("%s is %+v, %v", name, got, ok)
		}
		before := rapid.StringMatching(`[a-z.]{0,6}(/|\n|[0-9])`).Draw(t, "before")
		if got, ok := ParseImage(before + name); ok {
			t.Fatalf("%q is %+v", before+name, got)
		}
	})
	for _, name := range []string{
		"", "nginx", "nginx:1.27", "public.ecr.aws/docker/library/redis",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com/", "12345678901.dkr.ecr.us-east-1.amazonaws.com/a",
		"123456789012.dkr.ecr.us-east-1.amazonaws.com.example.org/a", "123456789012.dkr.ecr.US-EAST-1.amazonaws.com/a",
		"123456789012xdkr.ecr.us-east-1.amazonaws.com/a", "123456789012.dkr.ecr.us-east-1.amazonawsxcom/a",
		"ghcr.io/mirror/app.dkr.ecr.copy:1",
	} {
		if got, ok := ParseImage(name); ok {
			t.Errorf("%q is %+v", name, got)
		}
	}
}

// What is read as an image in ECR is written again as the same name.
func FuzzParseImage(f *testing.F) {
	f.Add("123456789012.dkr.ecr.eu-west-2.amazonaws.com/team/chat:1")
	f.Add("123456789012.dkr.ecr.cn-north-1.amazonaws.com.cn/chat@sha256:00")
	f.Fuzz(func(t *testing.T, name string) {
		i, ok := ParseImage(name)
		again := i.Account + ".dkr.ecr." + i.Region + ".amazonaws.com/" + i.Path
		if ok && again != strings.Replace(name, ".amazonaws.com.cn/", ".amazonaws.com/", 1) {
			t.Errorf("%q is %+v", name, i)
		}
	})
}
