package launch

import (
	"slices"
	"strings"

	"github.com/berthhq/berth/internal/arn"
	"github.com/berthhq/berth/internal/fault"
	"github.com/berthhq/berth/internal/fleet"
	"github.com/berthhq/berth/internal/role"
	"github.com/berthhq/berth/internal/state"
)

// CheckInstance checks that everything exists that the instance needs, and returns d with its
// security groups as ids. Its error is a *fault.Error with EC2's code and text.
//
// EC2 does not check this when a launch template is written, but when an instance is launched from
// it.
func CheckInstance(t *state.Tables, region, account string, d fleet.LaunchData) (fleet.LaunchData, error) {
	if d.ImageID == "" {
		return d, fault.New("MissingParameter", "The request must contain the parameter ImageId")
	}
	if _, ok := fleet.FindImage(region, d.ImageID); !ok {
		return d, fault.New("InvalidAMIID.Malformed", "Invalid id: %q (expecting \"ami-...\")", d.ImageID)
	}
	if d.InstanceType == "" {
		return d, fault.New("MissingParameter", "The request must contain the parameter InstanceType")
	}
	if _, ok := fleet.FindInstanceType(d.InstanceType); !ok {
		return d, fault.New("Unsupported", "The instance type '%s' is not supported here. "+
			"DescribeInstanceTypes lists those that are.", d.InstanceType)
	}
	if err := CheckKeyPair(t, region, account, d.KeyName); err != nil {
		return d, err
	}
	if err := checkProfile(t, account, d.Profile); err != nil {
		return d, err
	}
	var err error
	d.SecurityGroups, err = SecurityGroups(t, region, account, d.SecurityGroups)
	return d, err
}

// CheckKeyPair returns an error if the key pair does not exist; "" means none.
func CheckKeyPair(t *state.Tables, region, account, name string) error {
	if name == "" {
		return nil
	}
	if _, ok := t.KeyPairs.Get(fleet.Key(region, account, name)); !ok {
		return fault.New("InvalidKeyPair.NotFound", "The key pair '%s' does not exist", name)
	}
	return nil
}

// HasProfile reports whether an account has the instance profile with a name or ARN.
func HasProfile(t *state.Tables, account, nameOrARN string) bool {
	found, ok := t.InstanceProfiles.Get(role.Key(account, arn.LastID(nameOrARN)))
	return ok && (!arn.Is(nameOrARN) || found.ARN() == nameOrARN)
}

// checkProfile returns an error if the instance profile does not exist; "" means none.
func checkProfile(t *state.Tables, account, profile string) error {
	switch {
	case profile == "" || HasProfile(t, account, profile):
		return nil
	case arn.Is(profile):
		return fault.New("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.arn is "+
			"invalid. Invalid IAM Instance Profile ARN", profile)
	}
	return fault.New("InvalidParameterValue", "Value (%s) for parameter iamInstanceProfile.name is "+
		"invalid. Invalid IAM Instance Profile name", profile)
}

// SecurityGroups returns the ids of groups given by id or by name.
func SecurityGroups(t *state.Tables, region, account string, given []string) ([]string, error) {
	ids := slices.Clone(given)
	for i, g := range given {
		id, ok := fleet.FindSecurityGroup(t.SecurityGroups.Prefix(fleet.KeyPrefix(region, account)), region, account, g)
		if !ok {
			return nil, SecurityGroupMissing(g)
		}
		ids[i] = id
	}
	return ids, nil
}

// SecurityGroupMissing returns EC2's error for a security group that does not exist.
func SecurityGroupMissing(idOrName string) error {
	if strings.HasPrefix(idOrName, "sg-") && !fleet.WellFormedID("sg", idOrName) {
		return fault.New("InvalidGroupId.Malformed", "Invalid id: %q (expecting \"sg-...\")", idOrName)
	}
	return fault.New("InvalidGroup.NotFound", "The security group '%s' does not exist", idOrName)
}
