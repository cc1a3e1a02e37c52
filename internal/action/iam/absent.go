package iam

import (
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/iam"
)

// absentOperations list what cannot exist here: users, groups, policies of the account, certificates, identity providers.
func absentOperations() []awswire.Operation {
	return []awswire.Operation{
		awswire.Nothing[shape.ListUsersInput, shape.ListUsersOutput]("ListUsers"),
		awswire.Nothing[shape.ListGroupsInput, shape.ListGroupsOutput]("ListGroups"),
		awswire.Nothing[shape.ListPoliciesInput, shape.ListPoliciesOutput]("ListPolicies"),
		awswire.Nothing[shape.ListServerCertificatesInput, shape.ListServerCertificatesOutput]("ListServerCertificates"),
		awswire.Nothing[shape.ListOpenIDConnectProvidersInput, shape.ListOpenIDConnectProvidersOutput]("ListOpenIDConnectProviders"),
		awswire.Nothing[shape.ListSAMLProvidersInput, shape.ListSAMLProvidersOutput]("ListSAMLProviders"),
		awswire.Nothing[shape.ListMFADevicesInput, shape.ListMFADevicesOutput]("ListMFADevices",
			awswire.Unknown{Member: "UserName", Code: "NoSuchEntity", Message: "The user with name %s cannot be found."}),
		awswire.Nothing[shape.ListVirtualMFADevicesInput, shape.ListVirtualMFADevicesOutput]("ListVirtualMFADevices"),
	}
}
