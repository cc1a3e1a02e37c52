package identity

import (
	"strings"

	"github.com/berthhq/berth/internal/arn"
)

// instanceRole is the role that EC2 instances have. The name of an instance's session of it is the
// instance's id, as on EC2.
const instanceRole = "ecsInstanceRole"

// InstanceRole is the ARN of the role whose sessions are an account's EC2 instances.
func InstanceRole(account string) string {
	return arn.New("iam", "", account, "role/"+instanceRole).String()
}

// Instance is the id of the EC2 instance that the principal is; ok is false when it is none.
func (p Principal) Instance() (id string, ok bool) {
	a, err := arn.Parse(p.ARN)
	if err != nil || a.Service != "sts" {
		return "", false
	}
	id, ok = strings.CutPrefix(a.Resource, "assumed-role/"+instanceRole+"/")
	return id, ok && strings.HasPrefix(id, "i-")
}
