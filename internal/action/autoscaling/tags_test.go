package autoscaling

import (
	"strings"
	"testing"
)

// The limits of tags count characters and not bytes, as the API's model does.
func TestTagsCountCharacters(t *testing.T) {
	d := newDesk(t)
	d.group("0", "1", "0")
	const tag = "CreateOrUpdateTags Tags.member.1.ResourceId=g " +
		"Tags.member.1.ResourceType=auto-scaling-group Tags.member.1.PropagateAtLaunch=true Tags.member.1.Key="
	long := strings.Repeat("ä", 128)
	d.ok(tag + long + " Tags.member.1.Value=" + long + long)
	for _, bad := range []string{long + "ä", "k Tags.member.1.Value=" + long + long + "ä"} {
		if out := d.call(tag + bad); !strings.HasPrefix(out,
			"ValidationError: A tag's key must have 1 to 128 characters") {
			t.Errorf("a longer tag: %.200s", out)
		}
	}
}

// A group's tag for its pace has one of two values.
func TestTagOfThePace(t *testing.T) {
	d := newDesk(t)
	d.group("0", "1", "0")
	const tag = "CreateOrUpdateTags Tags.member.1.ResourceId=g Tags.member.1.ResourceType=auto-scaling-group " +
		"Tags.member.1.PropagateAtLaunch=true Tags.member.1.Key=berth:pace Tags.member.1.Value="
	d.ok(tag + "seconds")
	if out := d.call(tag + "minutes"); !strings.HasPrefix(out,
		`ValidationError: The value "minutes" of the tag berth:pace is invalid: it must be seconds or aws.`) {
		t.Errorf("another pace: %.200s", out)
	}
}
