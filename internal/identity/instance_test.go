package identity

import (
	"testing"

	"github.com/berthhq/berth/internal/arn"
)

func TestWhoIsAnInstance(t *testing.T) {
	role, err := arn.Parse(InstanceRole("123456789012"))
	if err != nil {
		t.Fatal(err)
	}
	other, _ := arn.Parse(roleARN)
	for _, c := range []struct {
		who  Principal
		want string
	}{
		{AssumedRole(role, "i-0123456789abcdef0"), "i-0123456789abcdef0"},
		{AssumedRole(role, "a-person"), ""},
		{AssumedRole(other, "i-0123456789abcdef0"), ""},
		{Root("123456789012"), ""},
		{Principal{}, ""},
	} {
		if id, ok := c.who.Instance(); ok != (c.want != "") || ok && id != c.want {
			t.Errorf("%s is instance %q (%v), want %q", c.who.ARN, id, ok, c.want)
		}
	}
}
