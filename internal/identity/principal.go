// Package identity knows who calls: principals, their access keys, and temporary credentials that need no storage.
//
// It is pure: the time and the random bytes it needs are passed in. It does not know what a
// principal may do (Berth lets every principal of an account do everything) nor how a request
// proves its key, which is awswire/sigv4's business. Values are safe for concurrent use; nothing
// here changes after it was made.
package identity

import (
	"crypto/sha256"
	"encoding/base32"
	"strings"

	"github.com/berthhq/berth/internal/arn"
)

// Principal is who signs a request.
type Principal struct {
	Account string // twelve digits
	ARN     string // arn:aws:iam::ACCOUNT:root, or arn:aws:sts::ACCOUNT:assumed-role/ROLE/SESSION
	UserID  string // what GetCallerIdentity tells: the account of a root user, ROLEID:SESSION of an assumed role
}

// Root is the account's root user, who owns the key that the first start makes.
func Root(account string) Principal {
	return Principal{Account: account, ARN: arn.ARN{
		Partition: "aws", Service: "iam", Account: account, Resource: "root",
	}.String(), UserID: account}
}

// AssumedRole is a caller who acts as a role, with the name of a session. As on AWS, the role's path is not
// part of the principal.
func AssumedRole(role arn.ARN, session string) Principal {
	return Principal{
		Account: role.Account,
		ARN: arn.ARN{Partition: role.Partition, Service: "sts", Account: role.Account,
			Resource: "assumed-role/" + role.ID() + "/" + session}.String(),
		UserID: RoleID(role.String()) + ":" + session,
	}
}

// RoleID is the stable unique id of a role: AROA and seventeen characters made from its ARN.
func RoleID(roleARN string) string { return "AROA" + fingerprint("role", roleARN)[:17] }

// fingerprint is upper-case base 32 text made from the parts; the same parts give the same text.
func fingerprint(parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(parts, "\x00")))
	return base32.StdEncoding.EncodeToString(sum[:])
}
