package loggroup

import (
	"strings"
	"testing"
	"time"
)

func TestNames(t *testing.T) {
	for s, ok := range map[string]bool{"/ecs/chat": true, "a#b.c-d_e": true, "": false, "a b": false,
		"a:b": false, strings.Repeat("a", 513): false} {
		if err := ValidateGroupName(s); (err == nil) != ok {
			t.Errorf("ValidateGroupName(%q) = %v", s, err)
		}
	}
	// ecs.md 7.10: an awslogs stream is prefix/container/task-id.
	for s, ok := range map[string]bool{"chat/web/0123": true, "[x] y": true, "a:b": false, "a*": false, "": false} {
		if err := ValidateStreamName(s); (err == nil) != ok {
			t.Errorf("ValidateStreamName(%q) = %v", s, err)
		}
	}
}

func TestNameOf(t *testing.T) {
	a := GroupARN("us-east-1", "123456789012", "/ecs/chat")
	for _, s := range []string{"/ecs/chat", a, a + ":*"} {
		if got := NameOf(s); got != "/ecs/chat" {
			t.Errorf("NameOf(%q) = %q", s, got)
		}
	}
}

func TestRetention(t *testing.T) {
	if ValidateRetention(7) != nil || ValidateRetention(2) == nil {
		t.Error("7 days is allowed, 2 is not")
	}
	now := time.Date(2026, 3, 10, 0, 0, 0, 0, time.UTC)
	if g := (&Group{RetentionDays: 7}); !g.Expires(now).Equal(time.Date(2026, 3, 3, 0, 0, 0, 0, time.UTC)) {
		t.Error(g.Expires(now))
	}
	if !(&Group{}).Expires(now).IsZero() {
		t.Error("without retention nothing expires")
	}
}
