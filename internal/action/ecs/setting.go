package ecs

import (
	"context"
	"maps"
	"slices"
	"strconv"

	"github.com/berthhq/berth/internal/action/request"
	"github.com/berthhq/berth/internal/awswire"
	shape "github.com/berthhq/berth/internal/awswire/shape/ecs"
	"github.com/berthhq/berth/internal/ecs"
	"github.com/berthhq/berth/internal/state"
)

// accountSettings are the settings there are, each with its values; the first is in force when
// nothing was put (ecs.md 1.1.14).
var accountSettings = map[string][]string{
	"serviceLongArnFormat":            {"enabled"}, // the short form ended in 2021 (ecs.md 1.1.2)
	"taskLongArnFormat":               {"enabled"},
	"containerInstanceLongArnFormat":  {"enabled"},
	"awsvpcTrunking":                  {"disabled", "enabled"},
	containerInsights:                 {"disabled", "enabled", "enhanced"},
	"fargateFIPSMode":                 {"disabled", "enabled"},
	"tagResourceAuthorization":        {"off", "on"},
	"fargateTaskRetirementWaitPeriod": {"7", "0", "14"},
	"guardDutyActivate":               {"off", "on"},
	"defaultLogDriverMode":            {"non-blocking", "blocking"},
	"fargateEventWindows":             {"disabled", "enabled"},
}

// containerInsights is the one setting that clusters have too.
const containerInsights = "containerInsights"

func checkSetting(name, value string) error {
	values, ok := accountSettings[name]
	if !ok {
		return invalid("Invalid setting 'name': '%s' is not an account setting. Use one of %v.", name,
			slices.Sorted(maps.Keys(accountSettings)))
	}
	if !slices.Contains(values, value) {
		return invalid("Invalid setting 'value': '%s' is not a value of %s. Use one of %v.", value, name, values)
	}
	return nil
}

func (a *api) putAccountSetting(
	ctx context.Context, call *awswire.Call, in *shape.PutAccountSettingInput,
) (*shape.PutAccountSettingOutput, error) {
	principal := request.Value(in.PrincipalArn)
	if principal == "" {
		principal = call.Principal.ARN
	}
	out, err := a.putSetting(ctx, call, principal, in.Name, request.Value(in.Value))
	return &shape.PutAccountSettingOutput{Setting: out}, err
}

func (a *api) putAccountSettingDefault(
	ctx context.Context, call *awswire.Call, in *shape.PutAccountSettingDefaultInput,
) (*shape.PutAccountSettingDefaultOutput, error) {
	out, err := a.putSetting(ctx, call, "", in.Name, request.Value(in.Value))
	return &shape.PutAccountSettingDefaultOutput{Setting: out}, err
}

func (a *api) putSetting(
	ctx context.Context, call *awswire.Call, principal, name, value string,
) (*shape.Setting, error) {
	if err := checkSetting(name, value); err != nil {
		return nil, err
	}
	s := &ecs.AccountSetting{
		Region: call.Region, Account: call.Account, PrincipalARN: principal, Name: name, Value: value,
	}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		tx.AccountSettings.Put(s)
		return nil
	})
	return answerSetting(call, s), err
}

func answerSetting(call *awswire.Call, s *ecs.AccountSetting) *shape.Setting {
	principal := s.PrincipalARN
	if principal == "" {
		principal = "arn:aws:iam::" + call.Account + ":root"
	}
	return &shape.Setting{Name: s.Name, Value: &s.Value, PrincipalArn: &principal, Type: "user"}
}

func (a *api) deleteAccountSetting(
	ctx context.Context, call *awswire.Call, in *shape.DeleteAccountSettingInput,
) (*shape.DeleteAccountSettingOutput, error) {
	if _, ok := accountSettings[in.Name]; !ok {
		return nil, checkSetting(in.Name, "")
	}
	s := &ecs.AccountSetting{
		Region: call.Region, Account: call.Account, PrincipalARN: request.Value(in.PrincipalArn), Name: in.Name,
	}
	if s.PrincipalARN == "" {
		s.PrincipalARN = call.Principal.ARN
	}
	err := a.store.Update(ctx, func(tx *state.Tx) error {
		if old, ok := tx.AccountSettings.Get(s.Key()); ok {
			s = old
		}
		tx.AccountSettings.Delete(s.Key())
		return nil
	})
	return &shape.DeleteAccountSettingOutput{Setting: answerSetting(call, s)}, err
}

func (a *api) listAccountSettings(
	_ context.Context, call *awswire.Call, in *shape.ListAccountSettingsInput,
) (*shape.ListAccountSettingsOutput, error) {
	if in.Value != nil && in.Name == "" {
		return nil, invalid("Invalid setting 'name': a value can only be asked for together with the " +
			"name of a setting.")
	}
	principal := request.Value(in.PrincipalArn)
	if principal == "" {
		principal = call.Principal.ARN
	}
	snap := a.store.View()
	found := make(map[string]*ecs.AccountSetting)
	var names []string
	for name := range accountSettings {
		s := setting(&snap.Tables, call, principal, name, request.Value(in.EffectiveSettings))
		if s == nil || in.Name != "" && name != in.Name || in.Value != nil && s.Value != *in.Value {
			continue
		}
		found[name] = s
		names = append(names, name)
	}
	effective := strconv.FormatBool(request.Value(in.EffectiveSettings))
	page, next, err := request.Page(call, shortPages.Ask(in.MaxResults, in.NextToken), names,
		request.Itself, principal, in.Name, request.Value(in.Value), effective)
	return &shape.ListAccountSettingsOutput{NextToken: next, Settings: request.Answers(page,
		func(n string) shape.Setting { return *answerSetting(call, found[n]) })}, err
}

// setting is the principal's own, else the account's; with effective also the one that is in force
// when nobody put any. nil if none.
func setting(t *state.Tables, call *awswire.Call, principal, name string, effective bool) *ecs.AccountSetting {
	s := &ecs.AccountSetting{Region: call.Region, Account: call.Account, PrincipalARN: principal, Name: name}
	if own, ok := t.AccountSettings.Get(s.Key()); ok {
		return own
	}
	if !effective {
		return nil
	}
	s.PrincipalARN = ""
	if account, ok := t.AccountSettings.Get(s.Key()); ok {
		return account
	}
	s.PrincipalARN, s.Value = principal, accountSettings[name][0]
	return s
}
