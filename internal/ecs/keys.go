package ecs

import "fmt"

// Key is the family's key in the store.
func (f *Family) Key() string { return f.Region + "/" + f.Account + "/" + f.Name }

// Key is the event's key in the store; a service's events sort by age.
func (e *Event) Key() string { return fmt.Sprintf("%s/%020d", e.ServiceARN, e.Sequence) }

// Key is the setting's key in the store; the account's own default has no principal.
func (s *AccountSetting) Key() string {
	return s.Region + "/" + s.Account + "/" + s.Name + "/" + s.PrincipalARN
}

// Key is the token's key in the store; its scope is the cluster and the action (ecs.md 1.1.11).
func (t *Token) Key() string { return t.ClusterARN + "/" + t.Action + "/" + t.ClientToken }
