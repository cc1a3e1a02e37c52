package role

import "testing"

func TestNames(t *testing.T) {
	r := &Role{Account: "123456789012", Name: "task", Path: "/app/"}
	if r.ARN() != "arn:aws:iam::123456789012:role/app/task" || len(r.ID()) != 21 || r.ID()[:4] != "AROA" {
		t.Errorf("%s %s", r.ARN(), r.ID())
	}
	p := &InstanceProfile{Account: "123456789012", Name: "p", Path: "/"}
	if p.ARN() != "arn:aws:iam::123456789012:instance-profile/p" || len(p.ID()) != 21 {
		t.Errorf("%s %s", p.ARN(), p.ID())
	}
	for s, ok := range map[string]bool{"a+=,.@-_1": true, "": false, "a b": false, "a/b": false} {
		if ValidName(s, 64) != ok {
			t.Errorf("ValidName(%q) = %v", s, !ok)
		}
	}
	for s, ok := range map[string]bool{"/": true, "/a/b/": true, "a/": false, "/a": false, "": false, "//": false} {
		if ValidPath(s) != ok {
			t.Errorf("ValidPath(%q) = %v", s, !ok)
		}
	}
}

func TestCloneSharesNothing(t *testing.T) {
	r := &Role{Attached: []string{"x"}, Inline: map[string]string{"p": "{}"}}
	c := r.Clone()
	c.Attached[0], c.Inline["p"] = "y", "[]"
	if r.Attached[0] != "x" || r.Inline["p"] != "{}" {
		t.Errorf("%+v", r)
	}
}
