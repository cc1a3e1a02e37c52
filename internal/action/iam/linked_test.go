package iam

import (
	"strings"
	"testing"

	"github.com/berthhq/berth/internal/action/desktest"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/state"
)

const linkedARN = "arn:aws:iam::123456789012:role/aws-service-role/" +
	"autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling"

// Service-linked roles are created and deleted by their own calls. Other calls that change roles refuse them.
func TestServiceLinkedRoles(t *testing.T) {
	store := desktest.Store(t)
	d := desktest.New(t, Service(store))
	const create = "CreateServiceLinkedRole AWSServiceName="
	says(t, d, create+"autoscaling.amazonaws.com", "<Arn>"+linkedARN+"</Arn>")
	says(t, d, create+"autoscaling.amazonaws.com", "InvalidInput: Service role name "+
		"AWSServiceRoleForAutoScaling has been taken in this account, please try a different suffix.")
	says(t, d, create+"autoscaling.amazonaws.com CustomSuffix=x", "<Arn>"+linkedARN+"_x</Arn>")
	says(t, d, create+"ecs.amazonaws.com CustomSuffix=x",
		"InvalidInput: Custom suffix is not allowed for ecs.amazonaws.com")
	says(t, d, create+"x.amazonaws.com", "InvalidInput: Berth has no service-linked role for "+
		"x.amazonaws.com; it has those of autoscaling.amazonaws.com, ")
	says(t, d, newRole+"r Path=/aws-service-role/x/",
		"ValidationError: The path /aws-service-role/x/ begins with a prefix that is reserved")

	const name = " RoleName=AWSServiceRoleForAutoScaling"
	for _, call := range []string{"DeleteRole", "AttachRolePolicy PolicyArn=arn:aws:iam::aws:policy/X",
		"PutRolePolicy PolicyName=p PolicyDocument={}",
		"UpdateAssumeRolePolicy PolicyDocument={}"} {
		says(t, d, call+name, "UnmodifiableEntity: Cannot perform the operation on the protected role "+
			"'AWSServiceRoleForAutoScaling' - this role is only modifiable by AWS")
	}
	says(t, d, "UpdateRole Description=mine"+name)
	says(t, d, "GetRole"+name, "<Description>mine<")

	group := &fleet.AutoScalingGroup{
		Name: "g", ID: "1", Region: desktest.Region, Account: desktest.Account, ServiceRole: linkedARN,
	}
	update(t, store, func(tx *state.Tx) { tx.AutoScalingGroups.Put(group) })
	says(t, d, newRole+"own")
	says(t, d, "DeleteServiceLinkedRole RoleName=own", "InvalidInput: The role own is not a service-linked role.")
	says(t, d, "DeleteServiceLinkedRole RoleName=never", "NoSuchEntity: ")
	status := "GetServiceLinkedRoleDeletionStatus DeletionTaskId="
	task := deletion(says(t, d, "DeleteServiceLinkedRole"+name,
		"<DeletionTaskId>task/aws-service-role/autoscaling.amazonaws.com/AWSServiceRoleForAutoScaling/"))
	says(t, d, status+task, "<Status>FAILED</Status>", "<member>"+group.ARN()+"</member>")
	says(t, d, "GetRole"+name, linkedARN)
	update(t, store, func(tx *state.Tx) { tx.AutoScalingGroups.Delete(group.Key()) })
	task = deletion(says(t, d, "DeleteServiceLinkedRole"+name))
	says(t, d, status+task, "<Status>SUCCEEDED</Status>")
	says(t, d, "GetRole"+name, "NoSuchEntity: ")
	says(t, d, status+"task/x", "NoSuchEntity: The deletion task task/x cannot be found.")
}

func deletion(answer string) string {
	_, rest, _ := strings.Cut(answer, "<DeletionTaskId>")
	id, _, _ := strings.Cut(rest, "<")
	return id
}

func update(t *testing.T, s *state.Store, fn func(*state.Tx)) {
	t.Helper()
	if err := s.Update(t.Context(), func(tx *state.Tx) error { fn(tx); return nil }); err != nil {
		t.Fatal(err)
	}
}
